"""`dialerd audit`: the laws, judged by a carrier's record of calls against what the database says."""

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dialerd.domain.outcomes import Outcome
from tests.integration.cli.conftest import Answer, Dialerd
from tests.integration.store.scene import Stores

pytestmark = pytest.mark.integration

COLUMNS = ("dialed", "invite", "answer", "end")
WAY = timedelta(milliseconds=20)
"""From the row to the carrier."""


def dialed(dialerd: Dialerd, *outcomes: Outcome) -> Sequence[dict[str, Any]]:
    """Calls of a campaign `spring` with these outcomes, as the carrier saw them."""

    async def work(stores: Stores) -> Sequence[dict[str, Any]]:
        campaign = await stores.a_dialed_campaign(len(outcomes), name="spring", queue="sales", concurrency=50)
        await stores.pool.execute("UPDATE campaigns SET calls_per_second = 999")  # as fast as the rows are written
        for outcome in outcomes:
            await campaign.dial(outcome)
        rows = await stores.pool.fetch(
            "SELECT number, opened_at, answered_at, ended_at FROM attempts ORDER BY opened_at"
        )
        return [as_seen(row["number"], row["opened_at"] + WAY, row["answered_at"], row["ended_at"]) for row in rows]

    return dialerd.in_stores(work)


def as_seen(number: str, invite: datetime, answer: datetime | None, end: datetime) -> dict[str, Any]:
    answer = max(invite, answer) if answer else None
    return {"dialed": number, "invite": invite, "answer": answer, "end": max(end, answer or invite)}


def record(dialerd: Dialerd, calls: Sequence[dict[str, Any]], columns: Sequence[str] = COLUMNS) -> str:
    path = Path(dialerd.file("", "calls.csv"))
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, columns)
        rows.writeheader()
        rows.writerows({name: str(value) if value else "" for name, value in call.items()} for call in calls)
    return str(path)


def judged(answer: Answer, campaign: str = "spring") -> dict[str, str]:
    laws: dict[str, str] = answer.json[campaign]["laws"]
    return laws


def test_calls_that_kept_every_law(dialerd: Dialerd) -> None:
    calls = dialed(dialerd, Outcome.BUSY, Outcome.NO_ANSWER, Outcome.BUSY)
    answer = dialerd("audit", "--record", record(dialerd, calls), "--json")
    assert answer.json["spring"]["ok"]
    assert {law for law, said in judged(answer).items() if said == "held"} == {
        "L1",
        "L2",
        "L3",
        "L5",
        "L6",
        "L7",
        "INV4",
    }
    assert judged(answer)["L4"] == "not told: the record has no calls to agents (column kind)"
    assert answer.json["spring"]["invariants"]["INV1"] == "held"


def test_people_read_a_line_for_each_law_and_invariant(dialerd: Dialerd) -> None:
    calls = dialed(dialerd, Outcome.BUSY)
    told = dialerd("audit", "--record", record(dialerd, calls)).out
    for line in (
        "spring",
        "every call once",
        "no INVITE without an attempt",
        "held",
        "not told: the record has no calls",
    ):
        assert line in told


@pytest.mark.parametrize("law", ["L1", "L2", "L3", "L6"])
def test_a_broken_law_is_told_and_ends_with_1(dialerd: Dialerd, law: str) -> None:
    calls = list(dialed(dialerd, Outcome.BUSY, Outcome.BUSY))
    number, began = calls[0]["dialed"], calls[0]["invite"]
    match law:
        case "L1":
            dialerd("dnc", "add", number)
            dialerd.in_stores(
                lambda stores: stores.pool.execute("UPDATE dnc_numbers SET added_at = now() - interval '1 hour'")
            )
        case "L2":
            calls.append(as_seen("+12025550199", began, None, began))
        case "L3":
            move_back = "UPDATE activity SET at = at + interval '1 hour' WHERE fact = 'status'"
            disabled = "ALTER TABLE activity DISABLE TRIGGER activity_append_only; {}; "
            dialerd.in_stores(lambda stores: stores.pool.execute(disabled.format(move_back)))
        case "L6":
            dialerd("account", "edit", "--max-calls-24h", "1")
            calls.append(as_seen(number, began - timedelta(milliseconds=15), None, began - timedelta(milliseconds=12)))
            before_the_edit = dialerd.answer(
                "audit", "--record", record(dialerd, calls), "--precision", "0.1", "--json"
            )
            assert judged(before_the_edit)["L6"] == "held"
            dialerd.in_stores(lambda stores: stores.pool.execute(FORGET_EDIT))
    answer = dialerd.answer("audit", "--record", record(dialerd, calls), "--json")
    assert answer.status == 1, answer
    assert not answer.json["spring"]["ok"]
    assert number.removeprefix("+")[-4:] in judged(answer)[law] or "0199" in judged(answer)[law]
    assert number not in answer.out, "numbers are masked"


FORGET_EDIT = (
    "ALTER TABLE accounts DISABLE TRIGGER accounts_edited; UPDATE accounts SET edited_at = now() - interval '2 hours'"
)


def test_calls_from_before_an_edit_are_not_held_to_it(dialerd: Dialerd) -> None:
    calls = dialed(dialerd, Outcome.BUSY, Outcome.BUSY, Outcome.BUSY)
    path = record(dialerd, calls)
    dialerd("campaign", "edit", "spring", "--calls-per-second", "0.01")
    assert judged(dialerd("audit", "--record", path, "--json"))["L5"] == "held"


def test_one_campaign_of_several_and_a_coarse_clock(dialerd: Dialerd) -> None:
    calls = [{**call, "invite": call["invite"] - timedelta(seconds=0.7)} for call in dialed(dialerd, Outcome.BUSY)]
    dialerd.campaign("autumn")
    path = record(dialerd, calls)
    assert "without an attempt" in judged(dialerd.answer("audit", "--record", path, "--json"))["L2"]
    fine = dialerd("audit", "--record", path, "--campaign", "spring", "--precision", "1", "--json")
    assert list(fine.json) == ["spring"]
    assert judged(fine)["L2"] == "held"


def test_with_the_calls_to_agents_and_their_names_precedence_is_judged_too(dialerd: Dialerd) -> None:
    [call] = dialed(dialerd, Outcome.BUSY)
    columns = (*COLUMNS, "kind")
    path = record(dialerd, [{**call, "kind": "lead"}], columns)
    assert (
        judged(dialerd("audit", "--record", path, "--json"))["L4"] == "not told: it is not known who was in the queue"
    )
    asked = ("audit", "--record", path, "--agents", "sales=1001, PJSIP/1002", "--json")
    assert judged(dialerd(*asked))["L4"] == "held"
    busy = [
        {
            **call,
            "kind": "agent",
            "dialed": agent,
            "invite": call["invite"] - timedelta(minutes=1),
            "end": call["end"] + timedelta(minutes=1),
        }
        for agent in ("1001", "1002")
    ]
    path = record(dialerd, [{**call, "kind": "lead"}, *busy], columns)
    assert "while no agent was free" in judged(dialerd.answer(*asked))["L4"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("dialed,invite,end\n", "there is no column answer"),
        ("dialed,invite,answer,end\n", "has no call to a lead: there is nothing to judge by"),
        (
            "dialed,invite,answer,end\n+12025550101,soon,,\n",
            "line 2, column invite: 'soon' is no moment: write 1790000000.123",
        ),
    ],
)
def test_a_record_that_cannot_be_used_is_refused_with_what_to_do(
    dialerd: Dialerd, content: str, complaint: str
) -> None:
    assert complaint in dialerd.refused("audit", "--record", dialerd.file(content, "calls.csv"))


def test_other_mistakes_are_told_too(dialerd: Dialerd) -> None:
    path = record(dialerd, dialed(dialerd, Outcome.BUSY))
    assert "cannot be read: No such file" in dialerd.refused("audit", "--record", str(dialerd.folder / "none.csv"))
    assert "winter" in dialerd.refused("audit", "--record", path, "--campaign", "winter")
    assert "like sales=1001,1002" in dialerd.refused("audit", "--record", path, "--agents", "1001", status=2)
