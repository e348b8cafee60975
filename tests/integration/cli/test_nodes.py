"""`dialerd node`: who dials, who is silent, and who is to dial no more."""

import re
from datetime import timedelta

import pytest

from tests.integration.cli.conftest import Dialerd
from tests.integration.store.neighbours import HERE, neighbours, silent
from tests.integration.store.scene import Stores

STATES = {"berlin": "alive", "paris": "draining", "rome": "silent"}


def some_nodes(dialerd: Dialerd) -> None:
    async def work(stores: Stores) -> None:
        dialed = await stores.a_dialed_campaign(node="berlin")
        await dialed.open()
        await neighbours(stores, "berlin", "paris", "rome")
        await stores.nodes.set_draining("paris", True)
        await silent(stores, "rome", timedelta(minutes=3))

    dialerd.in_stores(work)


def test_nodes_are_listed_with_their_state_and_what_they_do(dialerd: Dialerd) -> None:
    some_nodes(dialerd)
    listed = {node["id"]: node for node in dialerd("node", "list", "--json").json}
    assert {name: node["state"] for name, node in listed.items()} == STATES
    assert (listed["berlin"]["campaigns"], listed["berlin"]["open_calls"], listed["berlin"]["pbx"]) == (1, 1, HERE)
    assert 180 <= listed["rome"]["silent_for"] < 240
    lines = dialerd("node", "list").out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [[name, state] for name, state in STATES.items()]
    [ago] = re.findall(r"(\d+) s ago", lines[3])
    assert 180 <= int(ago) < 240


@pytest.mark.parametrize(("command", "state"), [("drain", "draining"), ("undrain", "alive")])
def test_a_node_is_told_to_drain_and_not_to(dialerd: Dialerd, command: str, state: str) -> None:
    some_nodes(dialerd)
    for name in ("berlin", "paris"):
        assert name in dialerd("node", command, name).out
    assert [node["state"] for node in dialerd("node", "list", "--json").json] == [state, state, "silent"]


def test_one_that_is_silent_may_be_told_to_drain_for_when_it_comes_back(dialerd: Dialerd) -> None:
    some_nodes(dialerd)
    dialerd("node", "drain", "rome")
    assert "silent (draining)" in dialerd("node", "list").out


@pytest.mark.parametrize("command", ["drain", "undrain"])
def test_a_node_that_there_is_not_is_refused(dialerd: Dialerd, command: str) -> None:
    assert dialerd.refused("node", command, "oslo") == "dialerd: there is no node oslo\n"


# --- a campaign that nobody dials ------------------------------------------------------------------------------------


def explained(dialerd: Dialerd) -> str:
    return str(dialerd("explain", "campaign", "Spring", "--json").json["why"])


def left_by_berlin(dialerd: Dialerd, **states: bool) -> None:
    """Campaign Spring, which berlin owned until it fell silent; and the others, draining or not."""

    async def work(stores: Stores) -> None:
        await stores.a_dialed_campaign(node="berlin", name="Spring")
        await stores.pool.execute("UPDATE campaigns SET lease_until = now() - interval '1 minute'")
        await neighbours(stores, *states)
        for name, drains in states.items():
            await stores.nodes.set_draining(name, drains)
        await silent(stores, "berlin", timedelta(minutes=1))

    dialerd.in_stores(work)


def test_it_says_that_no_daemon_lives_and_since_when_its_own_is_silent(dialerd: Dialerd) -> None:
    left_by_berlin(dialerd)
    why = explained(dialerd)
    assert why.startswith("no daemon dials it: start one with `dialerd run` (berlin did, and is silent since 20")


def test_it_says_that_all_who_live_drain(dialerd: Dialerd) -> None:
    left_by_berlin(dialerd, paris=True, rome=True)
    assert "all that live are draining: let one go on with `dialerd node undrain` (paris, rome)" in explained(dialerd)


def test_it_says_that_another_one_will_take_it_up(dialerd: Dialerd) -> None:
    left_by_berlin(dialerd, paris=True, rome=False)
    assert explained(dialerd).startswith("no daemon dials it yet: one that lives takes it up in a moment (berlin did, ")
    assert "no daemon dials it yet" in dialerd("status").out
