"""The two doors through which a campaign can be run from its first setting to its last export: the REST API, and the command line."""

import csv
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from io import StringIO
from typing import Any, Protocol

import aiohttp

from tests.daemon import CommandFailed, Daemon, running_web

Row = Mapping[str, str]


class Door(Protocol):
    """What somebody does who knows no other way. Phones are extensions, such as 1010."""

    async def put_menu(self, name: str, prompt: str, results: Mapping[str, str]) -> None:
        """Keys, and what each means; then the call ends."""

    async def create(self, name: str, settings: Mapping[str, Any]) -> None: ...

    async def add_leads(self, name: str, leads: Sequence[Mapping[str, object]]) -> int:
        """How many were taken."""
        ...

    async def act(self, name: str, action: str) -> None: ...

    async def status(self, name: str) -> str: ...

    async def card_of(self, agent: str) -> str | None:
        """The number of the lead whose card lies before the agent."""
        ...

    async def accept(self, agent: str) -> None: ...

    async def leads(self, name: str) -> Sequence[Row]: ...

    async def calls(self, name: str) -> Sequence[Row]: ...

    async def recording(self, attempt: str) -> bytes: ...


class CommandDoor:
    def __init__(self, daemon: Daemon) -> None:
        self._cli = daemon.cli
        self._folder = daemon.folder

    async def put_menu(self, name: str, prompt: str, results: Mapping[str, str]) -> None:
        keys = "\n".join(f'{key} = {{ action = "end", result = "{result}" }}' for key, result in results.items())
        text = f'name = "{name}"\n\n[nodes.start]\nprompt = "{prompt}"\n\n[nodes.start.choices]\n{keys}\n'
        await self._cli("menu", "import", self._written("menu.toml", text))

    async def create(self, name: str, settings: Mapping[str, Any]) -> None:
        await self._cli("campaign", "create", name, *_options(settings))

    async def add_leads(self, name: str, leads: Sequence[Mapping[str, object]]) -> int:
        told = await self._cli("leads", "import", name, self._written("leads.csv", _csv(leads)), "--json")
        return int(json.loads(told)["added"])

    async def act(self, name: str, action: str) -> None:
        await self._cli("campaign", action, name)

    async def status(self, name: str) -> str:
        return str(json.loads(await self._cli("campaign", "show", name, "--json"))["status"])

    async def card_of(self, agent: str) -> str | None:
        try:
            return str(json.loads(await self._cli("agent", "offer", agent, "--json"))["number"])
        except CommandFailed:
            return None

    async def accept(self, agent: str) -> None:
        await self._cli("agent", "accept", agent)

    async def leads(self, name: str) -> Sequence[Row]:
        return _rows(await self._cli("leads", "export", name))

    async def calls(self, name: str) -> Sequence[Row]:
        return _rows(await self._cli("leads", "calls", name))

    async def recording(self, attempt: str) -> bytes:
        file = self._folder / "recording.wav"
        await self._cli("recordings", "get", attempt, str(file))
        return file.read_bytes()

    def _written(self, name: str, text: str) -> str:
        file = self._folder / name
        file.write_text(text, encoding="utf-8")
        return str(file)


class RestDoor:
    """`web` has the address of the server, and a token in force."""

    def __init__(self, web: aiohttp.ClientSession) -> None:
        self._web = web
        self._ids: dict[str, int] = {}

    async def put_menu(self, name: str, prompt: str, results: Mapping[str, str]) -> None:
        choices = {key: {"action": "end", "result": result} for key, result in results.items()}
        await self._ask("PUT", f"menus/{name}", {"nodes": {"start": {"prompt": prompt, "choices": choices}}})

    async def create(self, name: str, settings: Mapping[str, Any]) -> None:
        made = await self._ask("POST", "campaigns", {"name": name, **settings})
        self._ids[name] = made["id"]

    async def add_leads(self, name: str, leads: Sequence[Mapping[str, object]]) -> int:
        told = await self._ask("POST", f"{self._campaign(name)}/leads", {"leads": [dict(lead) for lead in leads]})
        return int(told["added"])

    async def act(self, name: str, action: str) -> None:
        await self._ask("POST", f"{self._campaign(name)}/actions", {"action": action})

    async def status(self, name: str) -> str:
        return str((await self._ask("GET", self._campaign(name)))["status"])

    async def card_of(self, agent: str) -> str | None:
        async with self._web.get(f"/api/v1/agents/PJSIP/{agent}/card", params={"wait_s": "5"}) as answer:
            return str((await answer.json())["number"]) if answer.status == 200 else None

    async def accept(self, agent: str) -> None:
        await self._ask("POST", f"agents/PJSIP/{agent}/card/accept")

    async def leads(self, name: str) -> Sequence[Row]:
        return _rows(await self._text(f"{self._campaign(name)}/leads/export"))

    async def calls(self, name: str) -> Sequence[Row]:
        return _rows(await self._text(f"attempts/export?campaign_id={self._ids[name]}"))

    async def recording(self, attempt: str) -> bytes:
        async with self._web.get(f"/api/v1/recordings/{attempt}/content") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    def _campaign(self, name: str) -> str:
        return f"campaigns/{self._ids[name]}"

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        async with self._web.request(method, f"/api/v1/{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def _text(self, path: str) -> str:
        async with self._web.get(f"/api/v1/{path}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()


@asynccontextmanager
async def by_command(daemon: Daemon) -> AsyncIterator[Door]:
    yield CommandDoor(daemon)


@asynccontextmanager
async def by_rest(daemon: Daemon) -> AsyncIterator[Door]:
    async with web_of(daemon) as web:
        yield RestDoor(web)


@asynccontextmanager
async def web_of(daemon: Daemon) -> AsyncIterator[aiohttp.ClientSession]:
    """`dialerd web` as a process of its own, and an owner's token, which only a command can make."""
    token = json.loads(await daemon.cli("token", "add", "test", "--role", "owner", "--json"))["secret"]
    async with (
        running_web(daemon) as address,
        aiohttp.ClientSession(address, headers={"Authorization": f"Bearer {token}"}) as web,
    ):
        yield web


def _options(settings: Mapping[str, Any]) -> list[str]:
    """As `campaign create` has them."""
    short = {"dial_mode": "mode", "caller_id_enabled": "caller_ids", "ring_timeout_s": "ring_timeout"}
    options: list[str] = []
    for name, value in settings.items():
        option = short.get(name, name).replace("_", "-")
        options += (
            [f"--{option}" if value else f"--no-{option}"] if isinstance(value, bool) else [f"--{option}", str(value)]
        )
    return options


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    written = StringIO()
    table = csv.DictWriter(written, fieldnames=list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    return written.getvalue()


def _rows(text: str) -> list[Row]:
    return list(csv.DictReader(StringIO(text.removeprefix("\ufeff"))))
