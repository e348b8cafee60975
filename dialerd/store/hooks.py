"""What the PBX's own dialplan asks of the database while somebody is on the phone."""

from dataclasses import dataclass
from datetime import timedelta

from dialerd.domain.campaigns import is_interface
from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("hooks")
_claims = queries_of("claims")


@dataclass(frozen=True, kw_only=True)
class CallingLead:
    """A lead who calls back."""

    lead_id: int
    first_name: str
    last_name: str
    ticket_id: str
    campaign_id: int
    campaign: str
    queue: str
    """Of the campaign. Empty: a voice menu that needs none."""
    masked: bool
    """Whether agents must not see the lead's number."""
    send_lead_data: bool
    """Whether the agent's phone is sent what it may be told of the lead."""
    shown: str
    """The caller ID that the lead was shown by the newest call."""
    agent: str
    """The phone of who last talked to the lead, as the queue names it. Empty: nobody has, or it is not known who."""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class HookStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @store_call
    async def note_caller(self, number: str, account_id: int, *, within: timedelta) -> CallingLead | None:
        """The lead whom the account has called under this number; None if there is none. It is written down that the lead has called.

        `within`: how long ago a call may be of a campaign that does not go on.
        """
        row = await _sql.note_caller(self._pool, number=number, account_id=account_id, within=within)
        if row is None:
            return None
        talks = _claims.last_agents(self._pool, numbers=[number], account_id=account_id)
        agents = [talk["agent"] async for talk in talks if is_interface(talk["agent"])]
        return CallingLead(**row, agent=agents[0] if agents else "")
