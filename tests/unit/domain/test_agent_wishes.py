"""What agents may wish of the queues, and what an account may offer as reasons of a pause."""

import pytest

from dialerd.domain.agent_wishes import Seat, WishAction, is_pause_reason, problems, queues_of

SALES = Seat(queue="sales", campaigns=("Summer",), known=True, member=True)
OVER = Seat(queue="over", campaigns=(), known=True, member=True)
REASONS = ("Break", "Lunch")


def found(
    action: WishAction, queue: str | None = None, reason: str = "", seats: tuple[Seat, ...] = (SALES, OVER)
) -> str:
    return "; ".join(problems(action, queue, reason, seats=seats, reasons=REASONS))


def test_a_wish_without_a_queue_is_for_all_that_the_agent_may_serve() -> None:
    assert queues_of(WishAction.PAUSE, None, [SALES, OVER]) == ("sales", "over")
    assert queues_of(WishAction.LOGOUT, "over", [SALES, OVER]) == ("over",)


def test_nobody_logs_in_to_the_queue_of_campaigns_that_are_over() -> None:
    assert queues_of(WishAction.LOGIN, None, [SALES, OVER]) == ("sales",)
    assert "over is none that Asterisk has and a campaign" in found(WishAction.LOGIN, "over")


def test_a_queue_of_nobodys_campaign_is_refused() -> None:
    assert "other is none that Asterisk has and a campaign" in found(WishAction.PAUSE, "other")
    assert "no campaign of the account is bound to a queue" in found(WishAction.LOGIN, seats=(OVER,))


def test_the_reason_of_a_pause_is_one_of_the_accounts() -> None:
    assert not found(WishAction.PAUSE, "sales", "Lunch")
    assert not found(WishAction.PAUSE), "and may be left out"
    assert "one of the account's pause reasons: Break, Lunch" in found(WishAction.PAUSE, "sales", "lunch")
    assert "only a pause has one" in found(WishAction.UNPAUSE, "sales", "Lunch")


@pytest.mark.parametrize("title", ["", " Lunch", "a|b", "a\nb", "x" * 41, "\N{SNOWMAN}" * 27])
def test_a_reason_that_asterisk_or_its_queue_log_would_not_keep_whole_is_none(title: str) -> None:
    assert not is_pause_reason(title)


@pytest.mark.parametrize("title", ["Lunch", "Back office", "Mittag, Küche", "x" * 40, "\N{SNOWMAN}" * 26])
def test_any_other_title_is_one(title: str) -> None:
    assert is_pause_reason(title)
