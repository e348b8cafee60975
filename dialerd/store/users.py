"""Users, their sessions, and the tokens of programs: who a request comes from."""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import asyncpg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from dialerd.domain.roles import PERMISSIONS, Caller, Role, permissions_of
from dialerd.errors import AlreadyThere, SignInRefused
from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("users")

MOST_FAILURES = 5
"""Wrong passwords in a row, after which none is looked at for LOCKED_FOR."""
LOCKED_FOR = timedelta(minutes=15)
TOKEN_PREFIX = "dlr_"  # noqa: S105 - the beginning, and no secret
"""So that a token that was published by mistake can be searched for."""

_hasher = PasswordHasher()
"""With the parameters of RFC 9106, as the library recommends them: about 50 ms and 64 MiB, so one after the other, in a thread."""
_one_hash_at_a_time = asyncio.Semaphore(2)


@dataclass(frozen=True, kw_only=True)
class User:
    id: int
    account_id: int
    login: str
    name: str
    role: Role
    agent: str
    disabled: bool
    locked_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Token:
    id: int
    account_id: int
    name: str
    role: Role
    scopes: Sequence[str] | None
    agent: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class UserStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # --- who asks ---

    @store_call
    async def sign_in(self, login: str, password: str, *, lifetime: timedelta) -> tuple[str, Caller]:
        """A new session: its secret, which is kept nowhere, and whose it is. Raises SignInRefused, which says no more than that."""
        row = await _sql.user_of_login(self._pool, login=login)
        right = await _is_right(row["password_hash"] if row else _nobody(), password)
        if row is None or row["disabled"]:
            raise SignInRefused
        if row["locked_until"] is not None and row["locked_until"] > await self._pool.fetchval("SELECT now()"):
            raise SignInRefused(f"too many wrong passwords: try again after {row['locked_until']:%H:%M} UTC")
        if not right:
            await _sql.note_failure(self._pool, user_id=row["id"], most=MOST_FAILURES, locked_for=LOCKED_FOR)
            raise SignInRefused
        await _sql.note_success(self._pool, user_id=row["id"])
        secret = secrets.token_urlsafe(32)
        await _sql.open_session(self._pool, token_hash=_hash(secret), user_id=row["id"], lifetime=lifetime)
        return secret, _caller_of_user(row)

    @store_call
    async def sign_out(self, secret: str) -> None:
        await _sql.close_session(self._pool, token_hash=_hash(secret))

    @store_call
    async def of_session(self, secret: str) -> Caller | None:
        row = await _sql.user_of_session(self._pool, token_hash=_hash(secret))
        return _caller_of_user(row) if row else None

    @store_call
    async def of_token(self, secret: str) -> Caller | None:
        row = await _sql.get_token(self._pool, token_hash=_hash(secret))
        if row is None:
            return None
        await _sql.note_token_used(self._pool, token_id=row["id"])
        role = Role(row["role"])
        return Caller(
            account_id=row["account_id"],
            account=row["account"],
            actor=f"token {row['name']}",
            role=role,
            permissions=permissions_of(role, row["scopes"]),
            agent=row["agent"],
        )

    # --- administration ---

    @store_call
    async def create(
        self, account_id: int, login: str, password: str, *, role: Role, name: str = "", agent: str = ""
    ) -> User:
        """Raises AlreadyThere for the login or the agent's phone."""
        try:
            row = await _sql.create_user(
                self._pool,
                account_id=account_id,
                login=login,
                name=name,
                role=role,
                password_hash=await _hashed(password),
                agent=agent,
            )
        except asyncpg.UniqueViolationError as taken:
            what = "agent" if "agent" in str(taken.constraint_name) else "login"
            raise AlreadyThere("user", f"with this {what}") from None
        return _user(row)

    @store_call
    async def create_token(
        self,
        account_id: int,
        name: str,
        *,
        role: Role,
        created_by: str,
        scopes: Sequence[str] | None = None,
        agent: str = "",
        expires_at: datetime | None = None,
    ) -> tuple[str, Token]:
        """The secret, which is shown once and kept nowhere, and what is known of it."""
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        row = await _sql.create_token(
            self._pool,
            account_id=account_id,
            name=name,
            token_hash=_hash(secret),
            role=role,
            scopes=scopes,
            agent=agent,
            created_by=created_by,
            expires_at=expires_at,
        )
        return secret, _token(row)


def _hash(secret: str) -> bytes:
    """Of a secret that is random and long: nothing slower is needed."""
    return hashlib.sha256(secret.encode()).digest()


async def _hashed(password: str) -> str:
    async with _one_hash_at_a_time:
        return await asyncio.to_thread(_hasher.hash, password)


async def _is_right(password_hash: str, password: str) -> bool:
    async with _one_hash_at_a_time:
        try:
            return await asyncio.to_thread(_hasher.verify, password_hash, password)
        except (VerifyMismatchError, InvalidHashError):
            return False


@cache
def _nobody() -> str:
    """What a wrong login is compared with: it takes as long as a wrong password."""
    return _hasher.hash(secrets.token_hex())


def _caller_of_user(row: asyncpg.Record) -> Caller:
    role = Role(row["role"])
    return Caller(
        account_id=row["account_id"],
        account=row["account"],
        actor=f"user {row['login']}",
        role=role,
        permissions=PERMISSIONS[role],
        agent=row["agent"],
        user_id=row["id"],
    )


def _user(row: asyncpg.Record) -> User:
    return User(**{name: row[name] for name in User.__dataclass_fields__} | {"role": Role(row["role"])})


def _token(row: asyncpg.Record) -> Token:
    return Token(**{name: row[name] for name in Token.__dataclass_fields__} | {"role": Role(row["role"])})
