"""A message can be known by its signature, and a receiver that fails is left alone for longer and longer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from dialerd.domain.webhooks import LONGEST_REST, Event, EventType, message_of, rest_after, signature, signed_headers

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
EVENT = Event(
    id=UUID(int=7),
    type=EventType.MENU_RESULT,
    at=NOW,
    account="default",
    campaign_id=3,
    lead_id=9,
    attempt_id=UUID(int=1),
    data={"menu_result": "confirmed"},
)


def test_a_message_says_what_happened_to_whom_and_when() -> None:
    assert message_of(EVENT) == {
        "id": str(UUID(int=7)),
        "type": "menu.result",
        "time": "2027-03-01T09:00:00Z",
        "account": "default",
        "campaign_id": 3,
        "lead_id": 9,
        "attempt_id": str(UUID(int=1)),
        "data": {"menu_result": "confirmed"},
    }
    assert message_of(replace(EVENT, attempt_id=None))["attempt_id"] is None


def test_the_signature_is_that_of_the_document() -> None:
    """Worked out by `printf 1803891600.{} | openssl dgst -sha256 -hmac whsec_x`."""
    headers = signed_headers(EVENT, "whsec_x", b"{}", now=NOW)
    assert headers["Dialerd-Timestamp"] == "1803891600"
    assert headers["Dialerd-Signature"] == ("v1=33065fd3db504d5988fe1671a751ba0c495d3a2126d783f62741cb641b156935")
    assert (headers["Dialerd-Event-Id"], headers["Dialerd-Event-Type"]) == (str(EVENT.id), "menu.result")


@pytest.mark.parametrize(
    ("secret", "timestamp", "body"), [("b", "1", b"{}"), ("a", "2", b"{}"), ("a", "1", b"{} "), ("a", "1{", b"}")]
)
def test_another_secret_moment_or_body_has_another_signature(secret: str, timestamp: str, body: bytes) -> None:
    assert signature(secret, timestamp, body) != signature("a", "1", b"{}")


def test_the_rest_doubles_up_to_its_limit_and_is_never_the_same_for_all() -> None:
    assert [rest_after(failures, chance=0.5).total_seconds() for failures in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert rest_after(10_000, chance=0.5) == LONGEST_REST
    assert rest_after(1, chance=0) == timedelta(seconds=0.8)
    assert rest_after(1, chance=1) == timedelta(seconds=1.2)
