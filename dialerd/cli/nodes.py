"""`dialerd node`: the daemons that share the database, and which of them are to start no call any more."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from dialerd.cli.console import AsJson, local, out, print_json, say, table
from dialerd.cli.session import Stores, in_store
from dialerd.store.nodes import Node

app = typer.Typer(help="Look at the daemons of this database, and take one out of service.", no_args_is_help=True)

NodeRef = Annotated[
    str, typer.Argument(metavar="NAME", help="The node, as `dialerd node list` names it.", show_default=False)
]
COLUMNS = ("node", "state", "version", "started", "heard of", "campaigns", "calls", "Asterisk")


@app.command("list")
def list_nodes(context: typer.Context, as_json: AsJson = False) -> None:
    """List the daemons: whether they live, the campaigns that each dials, its calls in flight, and through which Asterisk.

    silent: stopped, dead, or cut off from the database. draining: it starts no call any more. Nodes of the same Asterisk
    (its entity id) take each other's calls over.
    """

    async def work(stores: Stores) -> tuple[Sequence[Node], str]:
        return await stores.nodes.list(), await stores.zone()

    nodes, zone = in_store(context, work)
    if as_json:
        print_json([{**asdict(node), "state": node.state} for node in nodes])
    else:
        out().print(table(COLUMNS, [_row(node, zone) for node in nodes]))


def _row(node: Node, zone: str) -> tuple[object, ...]:
    heard = f"{node.silent_for.total_seconds():.0f} s ago"
    state = f"{node.state} (draining)" if node.draining and node.state != "draining" else node.state
    started = local(node.started_at, zone)
    return node.id, state, node.version, started, heard, node.campaigns, node.open_calls, node.pbx


@app.command("drain")
def drain(context: typer.Context, node: NodeRef) -> None:
    """Let a daemon start no call any more. Its campaigns go to the others at once, its calls to their end. It stays so when it
    is started again."""
    in_store(context, lambda stores: stores.nodes.set_draining(node, True))
    say(
        f"node {node} drains: its campaigns are handed over, its calls go on to their end; `dialerd node list` counts them"
    )


@app.command("undrain")
def undrain(context: typer.Context, node: NodeRef) -> None:
    """Let a daemon start calls again, of campaigns that nobody else dials."""
    in_store(context, lambda stores: stores.nodes.set_draining(node, False))
    say(f"node {node} may start calls again")
