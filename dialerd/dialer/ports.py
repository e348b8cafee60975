"""What the dialer needs of the world. `daemon.py` hands in the real ones; tests hand in fakes that fulfil the same."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from dialerd.domain.abandonment import Abandonment
from dialerd.domain.activity import Fact
from dialerd.domain.agent_wishes import Answer, Seating, Wish
from dialerd.domain.attempts import Claim, KeptCall, Lease, LostAttempt, OpenCall, PutBack, Underway, WaitingLeads
from dialerd.domain.callers import Caller
from dialerd.domain.calls import Call, KeptAgent, LiveChannel
from dialerd.domain.campaigns import Campaign
from dialerd.domain.media import PlacedMedium
from dialerd.domain.nodes import Neighbour
from dialerd.domain.offers import Offer, OfferClaim
from dialerd.domain.pacing import HoldReason, Verdict
from dialerd.domain.queues import QueueSnapshot, SeenAgent
from dialerd.domain.recordings import Recording, RecordingFile
from dialerd.domain.retry import NextStep


class Campaigns(Protocol):
    async def dialable_campaigns(self) -> Sequence[Campaign]:
        """Every campaign that is running."""

    async def get_campaign(self, campaign_id: int) -> Campaign: ...

    async def take_lease(self, campaign_id: int, *, node: str, duration: timedelta) -> Lease | None:
        """Take or renew; None while another node holds it."""

    async def give_lease_back(self, lease: Lease) -> None: ...

    async def note_hold(
        self,
        lease: Lease,
        reason: HoldReason | None,
        sentence: str | None,
        until: datetime | None,
        verdicts: Sequence[Verdict] = (),
    ) -> None: ...

    async def start_due(self) -> int:
        """Scheduled campaigns whose time has come are started; how many."""

    async def abandonment(self, campaign: Campaign) -> Abandonment:
        """The campaign's ledger in its present period, and the cap that holds for it."""

    async def complete_campaign(self, lease: Lease) -> bool:
        """Running -> completed if no lead of it can be dialed any more and no attempt is open; whether it was so."""


class Nodes(Protocol):
    """The daemons that share the database."""

    async def heartbeat(self, node: str, *, asterisk_up: bool) -> None: ...

    async def note_pbx(self, node: str, pbx: str) -> None:
        """The node dials through this Asterisk."""

    async def neighbours(self, node: str) -> Sequence[Neighbour]: ...

    async def is_draining(self, node: str) -> bool: ...


class Attempts(Protocol):
    async def open_next(
        self,
        campaign: Campaign,
        lease: Lease,
        *,
        look_at: int = 1,
        most: int = 1,
        retries_first: bool = False,
        kept: KeptAgent | None = None,
        agents: int | None = None,
        trunk: str = "",
    ) -> Claim:
        """One transaction: claim the next `look_at` due leads, check every rule for each in turn, and write the attempts of
        up to `most` who may be called; for the agent who has stayed on the line, if there is one. Nothing is opened where other
        daemons on the same Asterisk have promised as many agents as the `agents` who are free here; None: that is not asked.
        `trunk` is the one by which the lead is to be dialed."""

    async def open_offered(self, campaign: Campaign, lease: Lease, offer: Offer, *, trunk: str = "") -> Claim:
        """The same for the lead whose card an agent has accepted: that agent is wanted for the call."""

    async def begin_dialing(self, call: Call) -> bool:
        """One transaction, when an agent is on the line: the rules that time can change (do-not-call lists, hours) are asked once
        more, and the row says that the lead is dialed. False: it may not be called now."""

    async def opt_out(self, attempt: UUID, at: datetime) -> bool:
        """Onto the do-not-call list with the attempt's number, by a key that was pressed while no daemon listened; whether that
        was not known yet. An attempt that is not ours changes nothing."""

    async def next_due_at(self, campaign_id: int) -> datetime | None:
        """When the first waiting lead becomes due; None: none waits."""

    async def release_waiting(self, campaign_id: int) -> int:
        """Leads whose waiting time is over become due, up to RELEASE_BATCH of them; how many."""

    async def judge_anew(self, campaign_id: int) -> int:
        """Leads that a rule has put off are due again, because the rules have changed; how many."""

    async def waiting_leads(self, campaign_id: int) -> Sequence[WaitingLeads]:
        """How many leads each rule holds back or has ended."""

    async def due_leads(self, campaign_id: int, *, most: int) -> int:
        """Leads in line that no waiting time holds back; no more than `most` are counted."""

    async def record_progress(self, call: Call) -> None:
        """Move the attempt's row (and the lead's state) forward to where the call is; one that is further is left alone."""

    async def close_attempt(self, call: Call) -> NextStep | None:
        """One transaction: outcome, the lead's next state, activity. None: it had been closed before."""

    async def take_over(
        self, node: str, *, gone: Collection[str], silent_for: timedelta, give_up_after: timedelta
    ) -> int:
        """Open attempts become this node's: those of neighbours on the same Asterisk that are gone, or were silent for so long,
        and those of any node that was silent until they are given up. How many."""

    async def underway(self, campaign_id: int) -> Underway: ...

    async def put_back(self, lost: LostAttempt, node: str) -> PutBack:
        """Write the attempt down again if the database has lost it: open, its lead in flight, its dial counted. Raises StoreBusy
        while another attempt of the lead, or to the number, is open."""

    async def open_calls(self) -> Sequence[OpenCall]: ...


class Spool(Protocol):
    """The newest states of calls that the database could not take. Trouble with the disk does not concern the calls: it is said,
    and new ones are held."""

    @property
    def kept(self) -> Sequence[KeptCall]: ...

    async def keep(self, kept: KeptCall) -> None:
        """In place of what was kept of the call before."""

    async def forget(self, attempt: UUID) -> None:
        """The database has it."""


class Server(Protocol):
    """The database server that answers."""

    @property
    def changed(self) -> bool:
        """Whether it may have lost the newest rows; until that is accepted, no lead is claimed there."""

    async def look(self) -> None: ...

    def accept(self) -> None:
        """What it has lost is put back."""


class Offers(Protocol):
    async def offer_next(
        self, campaign: Campaign, lease: Lease, *, agents: Sequence[str], look_at: int = 1, retries_first: bool = False
    ) -> OfferClaim:
        """One transaction: claim the next due lead, check every rule, lay its card before the first of the `agents` who is free for it
        (has no card, has not declined this lead), and put the lead aside until the card's time is over."""

    async def offer_call(self, call: Call, offer: int, *, node: str, agents: Sequence[str]) -> Offer | None:
        """Lay the card of a call in flight before the first of the agents who has no card; None: all have one."""

    async def withdraw(self, attempt: UUID, offer: int) -> None:
        """Nobody is to accept it any more; an answer that was faster stands."""

    async def news(self, node: str) -> Sequence[Offer]:
        """Offers of this node that were answered or have lapsed since it last asked, each once. What has lapsed is marked so, and
        its lead is due again."""

    async def open_offers(self, node: str) -> Sequence[Offer]: ...


class Cards(Protocol):
    """What a call in flight asks of the desk at which cards are laid before agents."""

    async def offer(self, call: Call, offer: int, *, but: Iterable[str]) -> str | None:
        """Lay the call's card before an agent, and say which; `but` not before those. None: nobody else is free."""

    async def withdraw(self, call: Call, offer: int) -> None: ...


class Recordings(Protocol):
    async def to_look_at(self, node: str, *, settled_for: timedelta, most: int) -> Sequence[Recording]:
        """Recordings that ended so long ago and have not been looked at, the oldest first."""

    async def note_stored(self, recording: Recording, found: RecordingFile, *, keep_for: timedelta | None) -> None: ...

    async def note_missing(self, recording: Recording, *, for_good: bool) -> None: ...

    async def to_delete(self, node: str, *, most: int) -> Sequence[Recording]:
        """Whose time is over."""

    async def note_deleted(self, recording: Recording) -> None: ...


class Media(Protocol):
    """Sounds that people have brought along."""

    async def to_place(self) -> Sequence[PlacedMedium]:
        """All that are to lie where Asterisk finds them."""

    async def content_of(self, medium: PlacedMedium) -> bytes | None:
        """The file; None: it has been removed, or replaced, meanwhile."""


class Sounds(Protocol):
    async def named(self) -> Sequence[str]:
        """Every sound that a campaign or a menu names."""

    async def note(self, present: Mapping[str, bool]) -> None: ...


class Telephony(Protocol):
    @property
    def up(self) -> bool:
        """Whether calls can be placed and served now."""

    async def dial(self, call: Call) -> None:
        """Raises CallNotPlaced when the call certainly did not leave, AsteriskUnavailable when that is not known."""

    async def hunt_agent(self, call: Call, hunt: int, agent: str | None = None) -> None:
        """Ring that agent, or the agents of the bound queue."""

    async def hold_agent(self, call: Call, hunt: int) -> None:
        """The agent hears the announcement, then hold music. Raises LegGone when the agent has hung up."""

    async def join_legs(self, call: Call, hunt: int) -> None:
        """What either leg is being played ends."""

    async def play_greeting(self, call: Call) -> None: ...

    async def play_in_menu(self, call: Call, step: int, sound: str) -> None:
        """What is played of an earlier step ends."""

    async def extend_hold(self, call: Call, limit: timedelta) -> None:
        """From now on the dialplan takes the lead back after so long."""

    async def lift_hold_limit(self, call: Call) -> None: ...

    async def move_to_queue(self, call: Call) -> None: ...

    async def move_to_message(self, call: Call) -> None: ...

    async def hang_up_lead(self, call: Call) -> None: ...

    async def hang_up_hunt(self, call: Call, hunt: int) -> None: ...

    async def hang_up_leg(self, leg: UUID) -> None:
        """Of an agent who stayed on the line in vain."""

    async def clear_away(self, call: Call) -> None: ...

    def follow(self, call: Call, *, lead_channel: str = "") -> None:
        """From now on hear what happens to the call's channels; `lead_channel` names the lead's where it is known."""

    async def live_channels(self) -> Mapping[UUID, LiveChannel]: ...

    async def lost_attempt(self, channel: UUID) -> LostAttempt | None:
        """What the lead's channel itself says of its attempt; None: it is none that this daemon has dialed."""

    async def entity_id(self) -> str:
        """Which Asterisk this is."""

    async def leave_sign(self, node: str, value: str) -> None:
        """In Asterisk, where other daemons find it."""

    async def sign_of(self, node: str) -> str:
        """The last sign that the node has left there; empty: none."""

    async def opt_outs(self) -> Mapping[UUID, datetime]:
        """Attempts whose person has pressed the opt-out key in the dialplan, and when; also while no daemon listened."""

    async def has_sound(self, name: str) -> bool: ...

    async def fetch_recording(self, name: str) -> RecordingFile | None:
        """What Asterisk has recorded under the name; None: there is no such recording, or it is still being written."""

    async def delete_recording(self, name: str) -> None: ...


class OptOutMarks(Protocol):
    """What callers of the opt-out line have left in Asterisk while no daemon answered."""

    async def found(self) -> Mapping[str, str]:
        """The account's name, empty for the default one, by the caller's number as the carrier has shown it."""

    async def forget(self, number: str) -> None: ...


class WishRows(Protocol):
    """What agents wish to be in the queues."""

    async def open_wishes(self, node: str) -> Sequence[Wish]:
        """In their order: those that the node is to carry out, and that its Asterisk has not answered."""

    async def answer(self, wish_id: int, node: str, answer: Answer, why: str = "") -> None: ...


class QueueMembers(Protocol):
    """Agents in Asterisk's queues. Every step may be taken twice. Raises AsteriskUnavailable where it is not known what came of it."""

    async def add(self, queue: str, agent: str, name: str) -> Seating: ...

    async def remove(self, queue: str, agent: str) -> Seating: ...

    async def pause(self, queue: str, agent: str, reason: str) -> Seating: ...

    async def unpause(self, queue: str, agent: str) -> Seating: ...


class CallerRows(Protocol):
    """What agents are told of leads who call back."""

    async def note(self, node: str, caller: Caller) -> None: ...

    async def forget(self, node: str) -> None:
        """All that the node has told."""


class PbxRows(Protocol):
    """What people are told of the queues."""

    async def note(
        self,
        node: str,
        *,
        agents: Sequence[SeenAgent] = (),
        gone: Collection[tuple[str, str]] = (),
        callers: Mapping[str, int] | None = None,
        gone_queues: Collection[str] = (),
        anew: bool = False,
    ) -> None:
        """What differs from what was told before: agents, those who are `gone` (queue, interface), callers by queue. `anew`:
        nothing of that is known to stand."""

    async def note_queues(self, strategies: Mapping[str, str]) -> None:
        """The queues that Asterisk has, with the strategy of each."""


class Queues(Protocol):
    def names(self) -> Sequence[str]:
        """Every queue that Asterisk has; empty while that is not known."""

    def strategies(self) -> Mapping[str, str]:
        """How each of them picks the agent whose phone rings, as Asterisk names it."""

    def set_wrapup(self, queue: str, seconds: float) -> None: ...

    def snapshot(self, queue: str) -> QueueSnapshot: ...

    def watch(self, queue: str, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change` after every change of the queue; returns how to stop that."""


Publish = Callable[[Fact], None]
