"""What every command stands on: the settings, the database, and the account it acts for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import typer

from dialerd import settings as settings_of
from dialerd.compliance import profiles
from dialerd.domain.accounts import Account
from dialerd.domain.campaigns import Campaign
from dialerd.errors import NotMigrated
from dialerd.settings import Settings
from dialerd.store import stores
from dialerd.store.embedded import database
from dialerd.store.migrate import migrate
from dialerd.store.pool import Pool, connect
from dialerd.store.schema import missing_migrations

T = TypeVar("T")

LONGEST_ID = 18
"""Digits of an id that the database can hold, whatever they are."""


class Stores(stores.Stores):
    """The database as a command sees it: with the account that the command is for."""

    def __init__(self, pool: Pool, settings: Settings, account: str) -> None:
        super().__init__(pool, profiles(settings.compliance.profile_file))
        self.settings = settings
        self._account = account

    async def account(self) -> Account:
        """The account that the command is for. Raises NotFound."""
        return await self.accounts.get(self._account)

    async def find_campaign(self, reference: str) -> Campaign:
        """By id, or by name within the account. Raises NotFound."""
        if reference.isascii() and reference.isdecimal() and len(reference) <= LONGEST_ID:
            return await self.campaigns.get_campaign(int(reference))
        return await self.campaigns.find(reference, self._account)

    async def zone(self) -> str:
        """The zone in which times are shown."""
        return (await self.account()).rules.time_zone

    async def region(self) -> str:
        """The country of numbers that are written without one."""
        return (await self.account()).default_region


@dataclass(frozen=True)
class Session:
    """What the options before the command say."""

    config: Path | None
    account: str

    @cached_property
    def settings(self) -> Settings:
        return self.read_settings()

    def read_settings(self) -> Settings:
        """As they stand now. Raises SettingsError."""
        return settings_of.load(self.config)


def session_of(context: typer.Context) -> Session:
    session: Session = context.find_root().obj
    return session


def in_store(context: typer.Context, work: Callable[[Stores], Awaitable[T]]) -> T:
    """Run `work` with the database open."""
    session = session_of(context)

    async def run() -> T:
        async with open_stores(session.settings, session.account) as stores:
            return await work(stores)

    return asyncio.run(run())


@asynccontextmanager
async def open_stores(settings: Settings, account: str) -> AsyncIterator[Stores]:
    """Our own database is brought up to date without being asked; a configured one is its administrator's."""
    async with database(settings.database) as dsn:
        if settings.database.dsn is None:
            await migrate(dsn)
        pool = await connect(dsn, max_connections=2, application_name="dialerd command")
        try:
            if await missing_migrations(pool):
                raise NotMigrated
            yield Stores(pool, settings, account)
        finally:
            pool.terminate()
