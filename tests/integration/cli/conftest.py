"""The command line against a real Postgres, as a user meets it: arguments in; output, messages and an exit status out."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog
from typer import testing
from typer.main import get_command
from typer.testing import CliRunner

from dialerd.cli import app
from dialerd.compliance import profiles
from dialerd.settings import load
from dialerd.store.attempts import AttemptStore
from dialerd.store.pool import connect
from tests.integration.store.scene import Stores

T = TypeVar("T")
HEADER = "number,priority,first_name\n"


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Dialerd:
    """Runs commands. What is expected to work must work, what is expected to be refused must be refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str) -> Answer:
        answer = self.answer(*arguments)
        assert answer.status == 0, answer.err
        return answer

    def refused(self, *arguments: str, status: int = 1) -> str:
        """What the user was told."""
        answer = self.answer(*arguments)
        assert answer.status == status, answer
        assert "Traceback" not in answer.err
        return answer.err

    def answer(self, *arguments: str) -> Answer:
        result = CliRunner().invoke(app, list(arguments))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def file(self, content: str, name: str = "leads.csv") -> str:
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return str(path)

    def campaign(self, name: str = "Spring", *, leads: str = "") -> None:
        """A draft, with leads if there are rows."""
        self("campaign", "create", name, "--queue", "sales")
        if leads:
            self("leads", "import", name, self.file(HEADER + leads))

    def in_stores(self, work: Callable[[Stores], Awaitable[T]]) -> T:
        """What a daemon does, over the same database and with the same profiles."""

        async def run() -> T:
            pool = await connect(os.environ["DIALERD_DATABASE__DSN"])
            stores = Stores(pool)
            stores.attempts = AttemptStore(pool, profiles(load(None).compliance.profile_file))
            try:
                return await work(stores)
            finally:
                pool.terminate()

        return asyncio.run(run())


@pytest.fixture(autouse=True, scope="session")
def commands_are_made_once() -> Iterator[None]:
    """As in a process of one's own: making them all takes longer than what most of them do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testing, "_get_command", cache(get_command))
        yield


@pytest.fixture(autouse=True)
def log_is_as_before() -> Iterator[None]:
    """A command silences the log of its process, which is also that of the tests after it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def dialerd(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dialerd:
    for name in ("DIALERD_CONFIG", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DIALERD_DATABASE__DSN", database)
    return Dialerd(tmp_path)
