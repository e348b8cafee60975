"""Progressive (customer-first): dial the lead, and ring an agent when the lead has answered."""

from dialerd.domain.call_moves import (
    SERVED,
    UNANSWERED,
    WAITING,
    Table,
    answer,
    dial,
    dial_failed,
    placed,
    refused,
    ring,
    serve,
    to,
)
from dialerd.domain.calls import (
    AttemptState,
    ChannelMade,
    DialFailed,
    DialRefused,
    LeadAnswered,
    LeadHeld,
    LeadRang,
    Opened,
)

TABLE: Table = {
    AttemptState.DIALING: {
        Opened: to(dial),
        ChannelMade: to(placed),
        LeadRang: to(ring, AttemptState.RINGING),
        LeadAnswered: to(answer, AttemptState.ANSWERED),
        LeadHeld: to(serve, AttemptState.ANSWERED),
        DialFailed: to(dial_failed),
        DialRefused: to(refused, AttemptState.ENDED),
        **UNANSWERED,
    },
    AttemptState.RINGING: {
        LeadAnswered: to(answer, AttemptState.ANSWERED),
        LeadHeld: to(serve, AttemptState.ANSWERED),
        **UNANSWERED,
    },
    AttemptState.ANSWERED: WAITING,
    **SERVED,
}
