"""The latest calls of a campaign, as they come and go."""

from collections.abc import Mapping
from typing import Any

from dialerd.domain.roles import Permission
from dialerd.portal.frame import section
from dialerd.portal.tables import Column, Row, draw_table, put_rows
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import clock_text, result_colour, result_word, time_text

say = texts("campaign")

ROWS = 15


class LatestCalls:
    """Who may not look at leads sees calls when they end, without whose they were."""

    def __init__(self, visit: Visit, campaign_id: int, zone: str) -> None:
        self._visit = visit
        self._campaign_id = campaign_id
        self._sees_leads = visit.may(Permission.VIEW_LEADS)
        self._columns = _lead_columns(zone) if self._sees_leads else _told_columns(zone)
        self._told: list[Row] = []
        self._in_flight: object = None
        self._stale = False
        with section(say("calls.title"), help=say("calls.help" if self._sees_leads else "calls.told_help")):
            self._table = draw_table(self._columns, key="attempt_id", empty=say("calls.none")).props("dense")

    def hear_counts(self, counts: Mapping[str, Any]) -> None:
        """Calls have begun, or come on."""
        in_flight = {state: counts["leads"].get(state, 0) for state in ("dialing", "ringing", "answered")}
        self._stale |= in_flight != self._in_flight
        self._in_flight = in_flight

    def hear(self, event: Mapping[str, Any]) -> None:
        """A call has ended."""
        self._stale = True
        if event["type"] == "attempt.ended" and not self._sees_leads:
            self._told = [{"attempt_id": event["attempt_id"], **event["data"]}, *self._told][:ROWS]

    async def keep_up(self) -> None:
        """Raises Refused."""
        if self._stale:
            await self.load()

    async def load(self) -> None:
        """Raises Refused."""
        self._stale = False
        found = self._told
        if self._sees_leads:
            page = await self._visit.door.get("/attempts", campaign_id=self._campaign_id, limit=ROWS)
            found = page["items"]
        put_rows(self._table, self._columns, found, key="attempt_id")


def _lead_columns(zone: str) -> list[Column]:
    return [
        Column(name="begun", label=say("calls.begun"), show=lambda call: _clock(call["opened_at"], zone)),
        Column(
            name="number",
            label=say("calls.number"),
            show=lambda call: call["number"],
            to=lambda call: f"/leads/{call['lead_id']}",
        ),
        Column(name="ordinal", label=say("calls.ordinal"), show=lambda call: str(call["ordinal"])),
        Column(name="state", label=say("calls.state"), show=result_word, colour=result_colour),
        Column(name="agent", label=say("calls.agent"), show=lambda call: call["agent"] or ""),
        Column(name="ring", label=say("calls.ring"), show=lambda call: clock_text(call["ring_s"]), align="right"),
        Column(name="talk", label=say("calls.talk"), show=lambda call: clock_text(call["talk_s"]), align="right"),
    ]


def _told_columns(zone: str) -> list[Column]:
    return [
        Column(name="ended", label=say("calls.ended"), show=lambda call: _clock(call["ended_at"], zone)),
        Column(name="state", label=say("calls.state"), show=result_word, colour=result_colour),
        Column(name="talk", label=say("calls.talk"), show=lambda call: clock_text(call["talk_s"]), align="right"),
    ]


def _clock(text: str | None, zone: str) -> str:
    return time_text(text, zone, seconds=True).rpartition(" ")[2]
