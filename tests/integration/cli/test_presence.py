"""`dialerd agent presence, login, logout, pause, unpause`. The daemon's part is played through the stores."""

from datetime import timedelta

import pytest

from dialerd.domain.agent_wishes import Answer
from dialerd.domain.queues import DeviceState, SeenAgent
from dialerd.store import agents
from tests.integration.cli.conftest import Dialerd
from tests.integration.store.neighbours import neighbours
from tests.integration.store.scene import Stores

ANNA = "PJSIP/1001"
FIXED = "PJSIP/1001 is a fixed member of sales: pause instead"

ANSWERING = """
    CREATE TABLE said (answer text, why text);
    CREATE FUNCTION answered() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO agent_wish_answers SELECT NEW.id, pbx, answer, why FROM nodes, said;
        RETURN NULL;
    END $$;
    CREATE TRIGGER answered AFTER INSERT ON agent_wishes FOR EACH ROW EXECUTE FUNCTION answered();
"""


@pytest.fixture
def queues(dialerd: Dialerd) -> None:
    """A campaign is bound to `sales`, where Anna is paused for lunch."""
    dialerd.campaign()

    async def work(stores: Stores) -> None:
        await neighbours(stores, "one")
        await stores.pbx.note_queues({"sales": "rrmemory"})
        anna = SeenAgent(
            queue="sales",
            interface=ANNA,
            name="Anna",
            device=DeviceState.NOT_INUSE,
            paused=True,
            pause_reason="Lunch",
            in_call=False,
            wrapup_until=None,
            fixed=True,
            calls_taken=17,
        )
        await stores.pbx.note("one", agents=[anna], callers={"sales": 0}, anew=True)

    dialerd.in_stores(work)


def daemons_answer(dialerd: Dialerd, answer: Answer, why: str = "") -> None:
    """As soon as something is wished."""

    async def work(stores: Stores) -> None:
        await stores.pool.execute(ANSWERING)
        await stores.pool.execute("INSERT INTO said VALUES ($1, $2)", answer, why)

    dialerd.in_stores(work)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("login", "1001"), "PJSIP/1001: login, all queues: done"),
        (("logout", "1001", "--queue", "sales"), "PJSIP/1001: logout, sales: done"),
        (("pause", "1001", "--reason", "Lunch"), "PJSIP/1001: pause (Lunch), all queues: done"),
        (("unpause", ANNA), "PJSIP/1001: unpause, all queues: done"),
    ],
)
@pytest.mark.usefixtures("queues")
def test_a_wish_is_told_to_be_done_once_a_daemon_has_carried_it_out(
    dialerd: Dialerd, arguments: tuple[str, ...], told: str
) -> None:
    daemons_answer(dialerd, Answer.DONE)
    assert told in dialerd("agent", *arguments).out


@pytest.mark.usefixtures("queues")
def test_a_refusal_is_told_with_its_reason_and_is_a_failure(dialerd: Dialerd) -> None:
    daemons_answer(dialerd, Answer.REFUSED, FIXED)
    answer = dialerd.answer("agent", "logout", "1001", "--json")
    assert answer.status == 1
    assert (answer.json["state"], answer.json["refused"]) == ("refused", FIXED)
    assert f"refused: {FIXED}" in dialerd("agent", "presence", "1001").out


@pytest.mark.usefixtures("queues")
def test_a_wish_is_waited_for_and_where_no_daemon_carries_it_out_that_is_told(
    dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "CARRIED_OUT_WITHIN", timedelta(seconds=1))
    answer = dialerd.answer("agent", "unpause", "1001")
    assert answer.status == 1
    assert "unpause, all queues: refused: no daemon has carried it out" in answer.out


@pytest.mark.usefixtures("queues")
def test_where_an_agent_is_is_shown_to_people_and_machines(dialerd: Dialerd) -> None:
    shown = dialerd("agent", "presence", "1001").out
    assert "paused (Lunch), by Asterisk's own files" in shown
    assert "Spring" in shown
    told = dialerd("agent", "presence", "1001", "--json").json
    [sales] = told["queues"]
    assert (told["agent"], told["last_wish"]) == (ANNA, None)
    assert (sales["queue"], sales["member"], sales["fixed"], sales["calls_taken"]) == ("sales", True, True, 17)
    assert "not in it" in dialerd("agent", "presence", "1002").out


@pytest.mark.usefixtures("queues")
def test_what_cannot_be_wished_is_told(dialerd: Dialerd) -> None:
    assert "support is none that Asterisk has" in dialerd.refused("agent", "login", "1001", "--queue", "support")
    assert "one of the account's pause reasons" in dialerd.refused("agent", "pause", "1001", "--reason", "Siesta")
    assert "is not an agent's phone" in dialerd.refused("agent", "pause", "a b", status=2)


@pytest.mark.usefixtures("queues")
def test_a_wish_is_in_the_audit_log(dialerd: Dialerd) -> None:
    daemons_answer(dialerd, Answer.DONE)
    dialerd("agent", "pause", "1001", "--reason", "Lunch")
    [line] = [line for line in dialerd("audit-log", "list", "--json").json if line["action"] == "agent pause"]
    assert (line["target"], line["details"]) == ({"agent": ANNA}, {"queue": None, "reason": "Lunch"})


def test_where_no_daemon_has_told_of_queues_nothing_can_be_wished(dialerd: Dialerd) -> None:
    assert "no campaign of the account is bound to a queue that Asterisk has" in dialerd.refused(
        "agent", "login", "1001"
    )
