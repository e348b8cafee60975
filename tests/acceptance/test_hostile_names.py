"""No name of a lead becomes a header, a dialplan word, a channel variable or an order (law L10)."""

import pytest

from dialerd.domain.calls import AttemptState
from tests.acceptance.desk import NAME, QUEUE, Desk, person_lead, some
from tests.lab import Lab

pytestmark = pytest.mark.acceptance

STRANGER = "12025550198"
"""A number that no list has."""

HOSTILE = [
    'O\'Brien, "Ann" \\ Lee',
    f"x\r\nVariable: DIALERD_QUEUE=q8\r\nVariable: EVIL=1\r\n\r\nAction: Originate\r\nChannel: PJSIP/{STRANGER}@carrier",
    f'" <{STRANGER}>',
    f"x&PJSIP/{STRANGER}@carrier",
    "${SHELL(echo 4141)}${EXTEN}",
    "$[40 + 2]",
    '"><script>alert(1)</script>',
    "Zoë Ünïcødé " + "ü" * 300,
    "👩‍🚒 Fire; DROP TABLE leads; --",
    "=HYPERLINK(1)",
    "\u202eoffset\u2066",
]


def harmless(name: str) -> str:
    """Letter by letter what may be shown."""
    return "".join(letter for letter in name if letter.isprintable() and letter not in '"<>\\').strip()


async def test_hostile_names_reach_the_agents_phone_as_harmless_text(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff(*(str(1010 + index) for index in range(6)))
    await lab.set_fates(talk_s=(2, 2))
    named = dict(zip(some(len(HOSTILE), range(50)), HOSTILE, strict=True))
    campaign = await desk.dial(
        [person_lead(number, first_name=name, last_name=name, note=name) for number, name in named.items()]
    )
    await desk.until_completed(campaign)
    await lab.wait_for(lambda: len(lab.calls("agent")) == len(named))
    assert sorted(call.dialed for call in lab.calls("lead")) == sorted(number[1:] for number in named)
    for number, name in named.items():
        [leg] = desk.agent_legs_for(number)
        assert leg.caller_name
        assert harmless(f"{name} {name}").startswith(leg.caller_name)  # cut where it is too long, and nothing evaluated
    assert (await desk.leads(campaign)).keys() == named.keys()
    await desk.judge(campaign, agents=agents)


async def test_a_name_cannot_add_variables_to_the_channels(desk: Desk, lab: Lab) -> None:
    await desk.staff("1010")
    await lab.set_fates(talk_s=(4, 4))
    [number] = some(1, range(50))
    await desk.dial([person_lead(number, first_name=HOSTILE[1], last_name="Lee")])
    await desk.until_call_is(number, AttemptState.CONNECTED)
    channels = await lab.channels()
    assert len(channels) == 4  # the lead, the two halves of the hunt, the agent
    for channel in channels:
        evil = await lab.pbx.act("Getvar", Channel=channel["Channel"], Variable="EVIL")
        assert evil["Value"] == ""
    [attempt] = await desk.attempts(number)
    queue = await lab.pbx.act("Getvar", Channel=str(attempt["id"]), Variable="DIALERD_QUEUE")
    assert queue["Value"] == QUEUE


async def test_hostile_names_come_through_a_csv_file_and_back(desk: Desk, lab: Lab) -> None:
    agents = await desk.staff("1010", "1011")
    names = ["=1+1", "Ann, \"the\" 'one'", "<b>Bo</b>", "${EXTEN}", "👩‍🚒"]
    leads = dict(zip(some(len(names), range(50)), names, strict=True))
    await desk.cli("campaign", "create", NAME, "--queue", QUEUE, "--calls-per-second", "10", "--max-attempts", "1")
    rows = [(number, 0, name) for number, name in leads.items()]
    await desk.cli("leads", "import", NAME, desk.csv_file(["number", "priority", "first_name"], *rows))
    await desk.act("start")
    await desk.until_completed(1)
    assert {number: record.lead.first_name for number, record in (await desk.leads(1)).items()} == leads
    exported = await desk.cli("leads", "export", NAME)
    assert not [line for line in exported.splitlines() if ",=" in line or ',"=' in line]
    await desk.judge(1, agents=agents)
