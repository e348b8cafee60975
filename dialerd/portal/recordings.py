"""Recordings: what was said in which call, to be heard, kept as a file, and deleted."""

from collections.abc import Awaitable, Callable, Mapping

from nicegui import ui

from dialerd.domain.recordings import RecordingState
from dialerd.domain.roles import Permission
from dialerd.portal.call_list import CallList, show_list
from dialerd.portal.dialogs import confirm, note
from dialerd.portal.door import address_of
from dialerd.portal.frame import Page, draw_download, heading
from dialerd.portal.tables import Column, Row
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import clock_text, time_text

say = texts("recordings")


class _List(CallList):
    def __init__(self, visit: Visit, zone: str, campaigns: Mapping[str, str]) -> None:
        super().__init__(visit, say, "/recordings", zone, campaigns)

    def draw(self) -> None:
        heading(say("title"), under=say("under", zone=self._zone))
        self.filters.draw()
        self.filters.choice("campaign_id", self._campaigns)
        self.filters.text("agent", placeholder="PJSIP/1001")
        self.filters.choice("state", {state: say(f"state.{state}") for state in RecordingState})
        self.filters.time("since")
        self.filters.time("until")
        self.filters.buttons()
        self._draw_table(self._columns())

    def _columns(self) -> list[Column]:
        columns = [
            Column(
                name="recorded",
                label=say("recorded"),
                show=lambda recording: time_text(recording["recorded_at"], self._zone),
                to=lambda recording: f"/activity/{recording['attempt_id']}",
            ),
            Column(
                name="campaign",
                label=say("campaign"),
                show=lambda recording: self._campaigns.get(str(recording["campaign_id"]), ""),
                to=lambda recording: f"/campaigns/{recording['campaign_id']}",
            ),
            Column(name="agent", label=say("agent"), show=lambda recording: recording["agent"] or say("nobody")),
            Column(
                name="lead",
                label=say("lead"),
                show=lambda recording: say("lead_of", number=recording["lead_id"]),
                to=lambda recording: f"/leads/{recording['lead_id']}",
            ),
            Column(
                name="length",
                label=say("length"),
                show=lambda recording: clock_text(recording["duration_s"]),
                align="right",
            ),
            Column(name="sound", label=say("sound"), show=self._sound_text, sound=_sound),
            Column(name="file", label="", show=_file_word, file=_sound),
        ]
        if self._visit.may(Permission.DELETE_RECORDINGS):
            columns.append(Column(name="delete", label="", show=_delete_word, do=self._delete, align="right"))
        return columns

    def _sound_text(self, recording: Row) -> str:
        """For who does not see the player; or why there is none."""
        at = time_text(recording["recorded_at"], self._zone)
        return say("play", at=at) if recording["playable"] else state_text(recording)

    async def _delete(self, recording: Row) -> None:
        await delete(self._visit, recording, self._zone, self._table.load)


class RecordingView:
    """The recording of one call, where that is shown."""

    def __init__(self, visit: Visit, zone: str) -> None:
        self._visit = visit
        self._zone = zone

    def draw(self, recording: Row) -> None:
        self._recording = recording
        with ui.column().classes("d-recording") as self._place:
            self._fill()

    def _fill(self) -> None:
        recording = self._recording
        told = [state_text(recording), clock_text(recording["duration_s"])]
        if recording["keep_until"] and recording["playable"]:
            told.append(say("kept_until", at=time_text(recording["keep_until"], self._zone)))
        ui.label(" · ".join(text for text in told if text)).classes("d-prose")
        if recording["playable"]:
            self._draw_player(recording)
        if self._visit.may(Permission.DELETE_RECORDINGS) and _delete_word(recording):
            ui.button(say("delete"), icon="delete", on_click=self._delete).props("outline no-caps color=negative")

    def _draw_player(self, recording: Row) -> None:
        player = ui.element("audio").props("controls preload=none").classes("d-audio")
        player.props["src"] = _sound(recording)
        player.props["aria-label"] = say("play", at=time_text(recording["recorded_at"], self._zone))
        sorry = ui.label(say("silent")).classes("d-red")
        sorry.visible = False
        player.on("error", lambda: sorry.set_visibility(True))
        draw_download(say("download"), _sound(recording))

    async def _delete(self) -> None:
        await delete(self._visit, self._recording, self._zone, self._load)

    async def _load(self) -> None:
        self._recording = await self._visit.door.get(f"/recordings/{self._recording['attempt_id']}")
        self._place.clear()
        with self._place:
            self._fill()


async def delete(visit: Visit, recording: Row, zone: str, then: Callable[[], Awaitable[None]]) -> None:
    """If the user is sure; `then` is awaited once it is done."""
    at = time_text(recording["recorded_at"], zone)
    if await confirm(say("delete_title", at=at), say("delete_text"), say("delete"), danger=True):
        with visit.telling():
            await visit.door.delete(f"/recordings/{recording['attempt_id']}")
            note(say("deleted"))
            await then()


def state_text(recording: Row) -> str:
    """Of one whose time is over, that it goes."""
    state = recording["state"]
    return say("going") if state == RecordingState.STORED and not recording["playable"] else say(f"state.{state}")


def _sound(recording: Row) -> str:
    """Where the browser gets it; empty where there is nothing to be heard."""
    return address_of(f"/recordings/{recording['attempt_id']}/content") if recording["playable"] else ""


def _file_word(recording: Row) -> str:
    return say("download") if recording["playable"] else ""


def _delete_word(recording: Row) -> str:
    goes = recording["state"] == RecordingState.PENDING or recording["playable"]
    return say("delete") if goes else ""


PAGES = (
    Page(
        path="/recordings",
        title=say("title"),
        show=lambda visit: show_list(visit, _List),
        needs=frozenset({Permission.LISTEN}),
    ),
)
