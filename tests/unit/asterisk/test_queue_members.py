"""What dialerd asks of Asterisk to put an agent into a queue, pause him and take him out, word for word."""

import pytest

from dialerd.asterisk.ami import AmiDown, AmiForbidden, AmiRefused
from dialerd.asterisk.queue_members import QueueMembers
from dialerd.domain.agent_wishes import Seating
from tests.fakes.links import Action, CutAmi

ANN = "PJSIP/1001"


@pytest.fixture
def ami() -> CutAmi:
    return CutAmi()


async def test_the_actions(ami: CutAmi) -> None:
    members = QueueMembers(ami)
    assert await members.add("sales", ANN, "Ann") is Seating.DONE
    assert await members.pause("sales", ANN, "Lunch") is Seating.DONE
    assert await members.pause("sales", ANN, "") is Seating.DONE
    assert await members.unpause("sales", ANN) is Seating.DONE
    assert await members.remove("sales", ANN) is Seating.DONE
    place = {"Queue": "sales", "Interface": ANN}
    added = {**place, "StateInterface": ANN, "Paused": "false", "MemberName": "Ann"}
    assert ami.actions == [
        Action("QueueAdd", added, {}),
        Action("QueuePause", {**place, "Paused": "true", "Reason": "Lunch"}, {}),
        Action("QueuePause", {**place, "Paused": "true"}, {}),
        Action("QueuePause", {**place, "Paused": "false"}, {}),
        Action("QueueRemove", place, {}),
    ]


@pytest.mark.parametrize(
    ("name", "shown"), [("", None), ("Ann; x|y,\r\nAction: z", "Ann xyAction: z"), ("|", None), ("ü" * 99, "ü" * 60)]
)
async def test_a_name_never_parts_what_asterisk_keeps_of_its_members(ami: CutAmi, name: str, shown: str | None) -> None:
    await QueueMembers(ami).add("sales", ANN, name)
    assert ami.actions[0].headers.get("MemberName") == shown


@pytest.mark.parametrize(
    ("action", "said", "means"),
    [
        ("QueueAdd", "Unable to add interface: Already there", Seating.THERE_ALREADY),
        ("QueueAdd", "Unable to add interface to queue: No such queue", Seating.NO_QUEUE),
        ("QueueRemove", "Unable to remove interface from queue: No such queue", Seating.NO_QUEUE),
        ("QueueRemove", "Unable to remove interface: Not there", Seating.NO_MEMBER),
        ("QueueRemove", "Member not dynamic", Seating.FIXED),
        ("QueuePause", "Interface not found", Seating.NO_MEMBER),
    ],
)
async def test_what_asterisk_answers(ami: CutAmi, action: str, said: str, means: Seating) -> None:
    ami.refusals[action] = [AmiRefused(said)]
    members = QueueMembers(ami)
    acts = {
        "QueueAdd": members.add("sales", ANN, ""),
        "QueueRemove": members.remove("sales", ANN),
        "QueuePause": members.unpause("sales", ANN),
    }
    assert await acts.pop(action) is means
    for other in acts.values():
        other.close()


async def test_any_other_refusal_stays_one_and_a_missing_class_is_named(ami: CutAmi) -> None:
    ami.refusals["QueueAdd"] = [AmiRefused("Out of memory"), AmiForbidden("Permission denied"), AmiDown()]
    members = QueueMembers(ami)
    with pytest.raises(AmiRefused, match="Out of memory"):
        await members.add("sales", ANN, "")
    with pytest.raises(AmiForbidden, match="may not run QueueAdd: give it the class agent"):
        await members.add("sales", ANN, "")
    with pytest.raises(AmiDown):
        await members.add("sales", ANN, "")
