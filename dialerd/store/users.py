"""Users, their sessions, and the tokens of programs: who a request comes from."""

import asyncio
import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import asyncpg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from dialerd.domain.passwords import normalized, problems_with
from dialerd.domain.roles import PERMISSIONS, Caller, Role, permissions_of
from dialerd.errors import AlreadyThere, InvalidPassword, LastOwner, NotFound, SignInRefused
from dialerd.store.pool import Pool, store_call, transaction
from dialerd.store.queries import queries_of

_sql = queries_of("users")

MOST_FAILURES = 5
"""Wrong passwords in a row, after which none is looked at for LOCKED_FOR."""
LOCKED_FOR = timedelta(minutes=15)
MOST_SESSIONS = 20
"""Of one user. Who signs in once more ends the oldest."""
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
class Session:
    id: int
    created_at: datetime
    expires_at: datetime
    address: str
    current: bool
    """Whether it is the one that asks."""


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
    async def account_of_login(self, login: str) -> int | None:
        """The id of the account. None: nobody has this login."""
        row = await _sql.user_of_login(self._pool, login=login)
        return row["account_id"] if row else None

    @store_call
    async def sign_in(
        self, login: str, password: str, *, lifetime: timedelta, address: str = "", instead_of: str | None = None
    ) -> tuple[str, Caller]:
        """A new session: its secret, which is kept nowhere, and whose it is. `instead_of`: the secret of the session that the browser
        had, which ends. Raises SignInRefused, which says no more than that."""
        row = await self._checked(login, password)
        secret = secrets.token_urlsafe(32)
        if instead_of is not None:
            await _sql.close_session(self._pool, token_hash=_hash(instead_of))
        await _sql.open_session(
            self._pool, token_hash=_hash(secret), user_id=row["id"], lifetime=lifetime, address=address
        )
        await _sql.close_old_sessions(self._pool, user_id=row["id"], most=MOST_SESSIONS)
        return secret, _caller_of_user(row)

    async def _checked(self, login: str, password: str) -> asyncpg.Record:
        """Whose password it is. It takes the same time whatever is wrong, and the refusal is the same. Raises SignInRefused."""
        row: asyncpg.Record | None = await _sql.user_of_login(self._pool, login=login)
        right = await _is_right(row["password_hash"] if row else _nobody(), password)
        if row is None or row["disabled"] or row["locked"]:
            raise SignInRefused
        if not right:
            await _sql.note_failure(self._pool, user_id=row["id"], most=MOST_FAILURES, locked_for=LOCKED_FOR)
            raise SignInRefused
        if not await _sql.note_success(self._pool, user_id=row["id"], password_hash=row["password_hash"]):
            raise SignInRefused
        await self._renew_hash(row, password)
        return row

    async def _renew_hash(self, row: asyncpg.Record, password: str) -> None:
        """What was hashed with parameters of the past is hashed anew, while the password is at hand."""
        if _hasher.check_needs_rehash(row["password_hash"]):
            renewed = await _hashed(password)
            await _sql.renew_hash(self._pool, user_id=row["id"], old=row["password_hash"], password_hash=renewed)

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

    # --- one's own ---

    @store_call
    async def sessions(self, user_id: int, *, after: int, most: int, secret: str | None) -> Sequence[Session]:
        """Those that have not ended. `secret`: of the one that asks."""
        current = _hash(secret) if secret is not None else None
        rows = _sql.list_sessions(self._pool, user_id=user_id, after=after, most=most)
        return [_session(row, current) async for row in rows]

    @store_call
    async def end_sessions(self, user_id: int) -> None:
        await _sql.close_sessions(self._pool, user_id=user_id, but=None)

    @store_call
    async def change_password(self, login: str, old: str, new: str, *, secret: str | None = None) -> None:
        """One's own; all sessions end but that with the secret. Raises SignInRefused, which counts like one at the door, for a wrong
        old one; InvalidPassword."""
        row = await self._checked(login, old)
        _refuse_bad(new, row["login"])
        await self._set_password(row["id"], new, but=_hash(secret) if secret is not None else None)

    async def _set_password(self, user_id: int, password: str, *, but: bytes | None) -> None:
        password_hash = await _hashed(password)
        async with transaction(self._pool) as db:
            await _sql.set_password(db, user_id=user_id, password_hash=password_hash)
            await _sql.close_sessions(db, user_id=user_id, but=but)

    # --- administration ---

    @store_call
    async def get(self, user_id: int, account_id: int) -> User:
        """Raises NotFound, also for another account's."""
        return _user(_found(await _sql.get_user(self._pool, user_id=user_id, account_id=account_id), "user", user_id))

    @store_call
    async def find(self, login: str, account_id: int) -> User:
        """Whatever the case of the login. Raises NotFound."""
        return _user(_found(await _sql.find_user(self._pool, login=login, account_id=account_id), "user", repr(login)))

    @store_call
    async def list(self, account_id: int, *, after: int = 0, most: int) -> Sequence[User]:
        """By id, those above `after`."""
        rows = _sql.list_users(self._pool, account_id=account_id, after=after, most=most)
        return [_user(row) async for row in rows]

    @store_call
    async def create(
        self, account_id: int, login: str, password: str, *, role: Role, name: str = "", agent: str = ""
    ) -> User:
        """Raises AlreadyThere for the login or the agent's phone, InvalidPassword."""
        _refuse_bad(password, login)
        password_hash = await _hashed(password)
        with _taken():
            row = await _sql.create_user(
                self._pool,
                account_id=account_id,
                login=login,
                name=name,
                role=role,
                password_hash=password_hash,
                agent=agent,
            )
        return _user(row)

    @store_call
    async def change(
        self, user_id: int, account_id: int, changes: Mapping[str, Any], *, unlock: bool = False
    ) -> tuple[User, User]:
        """The user before and after. Whoever is disabled, or gets another role, has to sign in anew. `changes`: of name, role, agent and
        disabled. Raises NotFound, LastOwner, AlreadyThere for the agent's phone."""
        async with transaction(self._pool) as db:
            owners = [row["id"] async for row in _sql.lock_owners(db, account_id=account_id)]
            locked = await _sql.lock_user(db, user_id=user_id, account_id=account_id)
            before = _user(_found(locked, "user", user_id))
            after = replace(before, **changes)
            if owners == [user_id] and (after.disabled or after.role is not Role.OWNER):
                raise LastOwner
            with _taken():
                row = await _sql.change_user(
                    db,
                    user_id=user_id,
                    name=after.name,
                    role=after.role,
                    agent=after.agent,
                    disabled=after.disabled,
                    unlock=unlock,
                )
            if after.disabled or after.role is not before.role:
                await _sql.close_sessions(db, user_id=user_id, but=None)
            return before, _user(row)

    @store_call
    async def reset_password(self, user_id: int, account_id: int, password: str) -> User:
        """By somebody else: it unlocks, too, and ends all sessions. Raises NotFound, InvalidPassword."""
        user = await self.get(user_id, account_id)
        _refuse_bad(password, user.login)
        await self._set_password(user_id, password, but=None)
        return user

    @store_call
    async def list_tokens(self, account_id: int, *, after: int = 0, most: int) -> Sequence[Token]:
        """By id, those above `after`; also those that are not in force any more."""
        rows = _sql.list_tokens(self._pool, account_id=account_id, after=after, most=most)
        return [_token(row) async for row in rows]

    @store_call
    async def find_token(self, name: str, account_id: int) -> Token:
        """The one of this name that was not revoked. Raises NotFound."""
        return _token(_found(await _sql.find_token(self._pool, name=name, account_id=account_id), "token", repr(name)))

    @store_call
    async def revoke_token(self, token_id: int, account_id: int) -> Token:
        """For good. Done twice it is the same as once. Raises NotFound."""
        row = await _sql.revoke_token(self._pool, token_id=token_id, account_id=account_id)
        return _token(_found(row, "token", token_id))

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
        """The secret, which is shown once and kept nowhere, and what is known of it. Raises AlreadyThere for the name of one that was not
        revoked."""
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with _taken():
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
        return await asyncio.to_thread(_hasher.hash, normalized(password))


async def _is_right(password_hash: str, password: str) -> bool:
    async with _one_hash_at_a_time:
        try:
            return await asyncio.to_thread(_hasher.verify, password_hash, normalized(password))
        except (VerifyMismatchError, InvalidHashError):
            return False


def _refuse_bad(password: str, login: str) -> None:
    if problems := problems_with(password, login=login):
        raise InvalidPassword(problems)


@contextmanager
def _taken() -> Iterator[None]:
    """Which of what must be unique is taken. Raises AlreadyThere."""
    try:
        yield
    except asyncpg.UniqueViolationError as taken:
        what, which = _UNIQUE[str(taken.constraint_name)]
        raise AlreadyThere(what, which) from None


_UNIQUE = {
    "users_login": ("user", "with this login"),
    "users_agent": ("user", "with this agent's phone"),
    "tokens_name": ("token", "of this name"),
}


def _found(row: asyncpg.Record | None, what: str, which: object) -> asyncpg.Record:
    if row is None:
        raise NotFound(what, which)
    return row


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


def _session(row: asyncpg.Record, current: bytes | None) -> Session:
    shown = {name: row[name] for name in ("id", "created_at", "expires_at", "address")}
    return Session(**shown, current=row["token_hash"] == current)


def _token(row: asyncpg.Record) -> Token:
    return Token(**{name: row[name] for name in Token.__dataclass_fields__} | {"role": Role(row["role"])})
