"""`dialerd menu`: voice menus, which are data: what a lead hears, which keys there are, and what each of them means."""

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dialerd.cli.console import AsJson, facts, out, plain, print_json, say, table
from dialerd.cli.doors import FAILED
from dialerd.cli.session import Stores, in_store, session_of
from dialerd.domain.menus import Choice, MenuNode, VoiceMenu
from dialerd.errors import InvalidMenu
from dialerd.store.menus import menu_data, menu_of
from dialerd.toml_file import UnreadableToml, read_toml

app = typer.Typer(help="Import, look at and check voice menus.", no_args_is_help=True)

MenuFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="TOML, as `dialerd menu sample` prints it.", show_default=False)
]
MenuName = Annotated[str, typer.Argument(metavar="MENU", help="Name of the voice menu.", show_default=False)]

SAMPLE = """\
# A voice menu. What is left out has the value that is called usual here.
name = "appointment"

[nodes.start]                         # the first node is called start
prompt = "appointment/ask"            # a sound of the PBX, without its file type
invalid_sound = "appointment/pardon"  # before the prompt is played again, after a wrong key; usual: none
wait = 5                              # seconds for a key, from the end of the prompt, 1 to 60; usual: 5
tries = 3                             # how often the prompt is played to who presses nothing, 1 to 10; usual: 3

# By key: 0 to 9, "*" and "#". Actions:
#   end      hang up                          queue   to an agent of the campaign's queue
#   opt_out  never call this number again     repeat  hear it once more
#   goto     to another node
# `result` is written down of the lead; `sound` is played before the call ends.
[nodes.start.choices]
1 = { action = "end", result = "confirmed", sound = "appointment/thanks" }
2 = { action = "goto", goto = "cancel" }
3 = { action = "queue", result = "wants_to_talk" }
9 = { action = "opt_out", sound = "appointment/removed" }
"*" = { action = "repeat" }

[nodes.start.give_up]                 # after the last try: end, queue or opt_out; usual: end
action = "end"
sound = "appointment/goodbye"

[nodes.cancel]
prompt = "appointment/sure"

[nodes.cancel.choices]
1 = { action = "end", result = "cancelled", sound = "appointment/thanks" }
2 = { action = "goto", goto = "start" }
"""


@app.command("import")
def import_file(context: typer.Context, file: MenuFile) -> None:
    """Store a voice menu, in the place of the one of its name. Calls that are in it keep to what they began with."""
    menu = menu_of(_read(file))

    async def work(stores: Stores) -> None:
        await stores.menus.put(menu, (await stores.account()).name)

    in_store(context, work)
    say(f"menu {menu.name!r} is stored: {len(menu.nodes)} nodes, {len(menu.sounds)} sounds. Next: dialerd menu check")


def _read(file: Path) -> Mapping[str, Any]:
    """Raises InvalidMenu."""
    try:
        return read_toml(file)
    except UnreadableToml as why:
        raise InvalidMenu([f"{file} {why}"]) from None


@app.command("sample")
def sample() -> None:
    """Print a voice menu that can be imported as it is."""
    sys.stdout.write(SAMPLE)


@app.command("list")
def list_menus(context: typer.Context, as_json: AsJson = False) -> None:
    """List the account's voice menus."""
    menus = in_store(context, _all)
    if as_json:
        print_json([menu_data(menu) for menu in menus])
        return
    rows = [(menu.name, len(menu.nodes), len(menu.sounds), "yes" if menu.needs_queue else "no") for menu in menus]
    out().print(table(("menu", "nodes", "sounds", "leads to agents"), rows))


@app.command("show")
def show(context: typer.Context, menu: MenuName, as_json: AsJson = False) -> None:
    """Show a voice menu, node by node."""
    found = in_store(context, lambda stores: _named(stores, menu))
    if as_json:
        print_json(menu_data(found))
        return
    for name, node in found.nodes.items():
        out().print(plain(f"{name}:"))
        out().print(facts(_described(node)))
        out().print(table(("key", "action", "result", "sound"), [_row(key, choice) for key, choice in _by_key(node)]))
        out().print()


def _described(node: MenuNode) -> dict[str, object]:
    return {
        "prompt": node.prompt,
        "after a wrong key": node.invalid_sound,
        "wait (s)": node.wait.total_seconds(),
        "tries": node.tries,
    }


def _by_key(node: MenuNode) -> Iterator[tuple[str, Choice]]:
    yield from node.choices.items()
    yield "none", node.give_up


def _row(key: str, choice: Choice) -> tuple[object, ...]:
    return key, f"{choice.action} {choice.goto}".rstrip(), choice.result, choice.sound


@app.command("remove")
def remove(context: typer.Context, menu: MenuName) -> None:
    """Forget a voice menu that no campaign needs any more."""

    async def work(stores: Stores) -> None:
        await stores.menus.remove(menu, (await stores.account()).name)

    in_store(context, work)
    say(f"menu {menu!r} is removed")


@app.command("check")
def check(
    context: typer.Context,
    menu: Annotated[
        str | None, typer.Argument(metavar="[MENU]", help="Name of one voice menu. Default: all of the account.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask Asterisk whether it has the sounds that voice menus name."""
    menus = in_store(context, _all) if menu is None else [in_store(context, lambda stores: _named(stores, menu))]
    # Imported here because it takes longer than all of what the other commands need.
    from dialerd.check import sounds_on_pbx

    wanted = sorted({sound for each in menus for sound in each.sounds})
    present = asyncio.run(sounds_on_pbx(session_of(context).settings.ari, wanted))
    if as_json:
        print_json(present)
    else:
        rows = [(sound, "there" if present[sound] else "MISSING", _who_plays(sound, menus)) for sound in wanted]
        out().print(table(("sound", "", "menus"), rows))
    if not all(present.values()):
        raise typer.Exit(FAILED)


def _who_plays(sound: str, menus: Sequence[VoiceMenu]) -> str:
    return ", ".join(menu.name for menu in menus if sound in menu.sounds)


async def _all(stores: Stores) -> Sequence[VoiceMenu]:
    return await stores.menus.list((await stores.account()).name)


async def _named(stores: Stores, name: str) -> VoiceMenu:
    return await stores.menus.get(name, (await stores.account()).name)
