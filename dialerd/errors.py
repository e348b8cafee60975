"""Every error that dialerd raises on purpose: one root, and below it a class for each thing the caller may do next.

The first line of a class's docstring is its message where the one who raises it has nothing better to say. What a
caller may need to decide is kept on the error as data, so that nobody has to read it out of the text again.
"""

from __future__ import annotations

from collections.abc import Sequence


class DialerdError(Exception):
    """Something that dialerd foresaw went wrong."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or _first_line(type(self).__doc__))

    @property
    def message(self) -> str:
        return str(self)


class AsteriskUnavailable(DialerdError):
    """Asterisk cannot be reached, or does not answer. Wait, and try again."""


class CallNotPlaced(DialerdError):
    """The call certainly did not leave. The lead may be dialed again."""


class SettingsError(DialerdError):
    """The settings cannot be used. Mend them before the next start."""


class IllegalTransition(DialerdError):
    """This cannot happen in this state. Nothing was changed."""

    def __init__(self, state: object, event: object) -> None:
        super().__init__(f"{event} cannot happen in state {state}")
        self.state = state
        self.event = event


class StoreUnavailable(DialerdError):
    """The database cannot be reached, or cannot write. Wait, and try again."""


class StoreFull(StoreUnavailable):
    """The database has no space left to write to. Make room on its disk: until then nothing is dialed."""


class StoreBusy(StoreUnavailable):
    """Somebody else is changing this just now. Try again in a moment."""


class MigrationFailed(DialerdError):
    """The database did not take a migration, and is as it was before that file."""

    def __init__(self, name: str, why: object) -> None:
        super().__init__(
            f"{name} failed: {why}. The database is as it was before that file: daemons of the version before can go on with it. "
            "Put right what the message says, and run `dialerd migrate` again"
        )
        self.name = name


class MigrationChanged(DialerdError):
    """A migration that this database has seen is not what it was. Restore the file; what is to change goes into a new one."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was changed after it had been applied: restore it, and put the change into a new file"
        )
        self.name = name


class NotMigrated(DialerdError):
    """The database does not have the tables that this version needs: run `dialerd migrate`."""


class NotFound(DialerdError):
    """There is no such thing."""

    def __init__(self, what: str, which: object) -> None:
        super().__init__(f"there is no {what} {which}")
        self.what = what
        self.which = which


class InvalidCampaign(DialerdError):
    """The settings of a campaign cannot be used; nothing was stored. `problems` are sentences, one for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("the campaign's settings cannot be used: " + "; ".join(problems))
        self.problems = tuple(problems)


class InvalidAccount(DialerdError):
    """What an account is to say cannot be used; nothing was stored. `problems` are sentences, one for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("the account cannot be set so: " + "; ".join(problems))
        self.problems = tuple(problems)


class StartRefused(DialerdError):
    """The campaign cannot start yet. `reasons` are all there are, so that they can be mended in one go."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("the campaign cannot start: " + "; ".join(reasons))
        self.reasons = tuple(reasons)


class InvalidMenu(DialerdError):
    """The voice menu cannot be used; nothing was stored. `problems` are sentences, one for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("the voice menu cannot be used: " + "; ".join(problems))
        self.problems = tuple(problems)


class InvalidWebhook(DialerdError):
    """The webhook cannot be set so; nothing was changed. `problems` are sentences, one for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("the webhook cannot be set so: " + "; ".join(problems))
        self.problems = tuple(problems)


class InvalidMedium(DialerdError):
    """The sound cannot be used; nothing was stored. `problems` are sentences, one for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("the sound cannot be used: " + "; ".join(problems))
        self.problems = tuple(problems)


class InUse(DialerdError):
    """Something needs it; nothing was removed. `problems` are sentences, one for each."""

    def __init__(self, what: str, problems: Sequence[str]) -> None:
        super().__init__(f"{what} is in use: " + "; ".join(problems))
        self.problems = tuple(problems)


class MediaOff(DialerdError):
    """Nobody places sounds where Asterisk finds them: set media.folder, here and at the daemons, and start them anew."""


class NoSound(DialerdError):
    """The recording has no sound that can be played."""


class RecordingElsewhere(DialerdError):
    """The recording is with an Asterisk that cannot be asked from here."""


class InvalidDisposition(DialerdError):
    """What the agent says of the call cannot be written down; nothing was changed."""


class OfferClosed(DialerdError):
    """The card lies before this agent no more: its time is over, or the call has ended."""


class LegGone(DialerdError):
    """That leg has hung up."""


class CampaignKept(DialerdError):
    """Calls of this campaign were dialed: they are the evidence of what was done, so it stays. Cancel it instead."""


class LeadsClosed(DialerdError):
    """The leads of this campaign cannot be changed in its present status."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the campaign is {status}: " + _how_to_open_leads(status))
        self.status = status


class LeadInFlight(DialerdError):
    """The lead is being called. Try again when the call has ended."""


class AlreadyThere(DialerdError):
    """There is one already."""

    def __init__(self, what: str, which: object) -> None:
        super().__init__(f"there is a {what} {which} already")
        self.what = what
        self.which = which


class ChangedMeanwhile(DialerdError):
    """Somebody else has changed it since you read it. Read it again, and change that."""


class SignInRefused(DialerdError):
    """Login and password do not belong together, or this login is closed: after five wrong passwords in a row, for 15 minutes."""


class InvalidPassword(DialerdError):
    """The new password cannot be used; nothing was stored. `problems` are sentences, one for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class LastOwner(DialerdError):
    """This is the last owner of the account who is not disabled: make another one first."""


class NotPermitted(DialerdError):
    """Your role, or your token, does not permit this."""


class KeyReused(DialerdError):
    """This Idempotency-Key came with another request before: use a new one for each thing that is to be done."""


class InvalidRequest(DialerdError):
    """What was sent cannot be used; nothing was done. `problems` are sentences, one for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class JobGivenUp(DialerdError):
    """The job was taken for dead, since nothing was heard of it for a minute. Nothing was stored: begin it once more."""


class JobsFull(DialerdError):
    """Too many uploads wait for their turn: try again when some are done."""


class NodeNameTaken(DialerdError):
    """Another daemon of this name is connected to the database. Stop it, or give this one another node id."""


def _how_to_open_leads(status: str) -> str:
    return "pause or stop it to change its leads" if status == "running" else "make a new one for these leads"


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]
