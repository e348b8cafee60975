"""Prints docs/lives.md: the lives of campaigns, leads, calls and cards, drawn from the tables that the program itself obeys."""

import sys

from dialerd.domain.call_moves import diagram_of_moves, staying
from dialerd.domain.calls import CallFlow
from dialerd.domain.campaigns import CAMPAIGN_TRANSITIONS
from dialerd.domain.dial_modes import TABLES
from dialerd.domain.leads import LEAD_TRANSITIONS
from dialerd.domain.offers import OFFER_TRANSITIONS
from dialerd.domain.transitions import diagram

CALLS = {
    CallFlow.PROGRESSIVE: """### Progressive (customer-first)
The lead is dialed; once answered and in the daemon's hands (`lead_held`), a wanted agent is rung, then the queue's agents. Who waits
hears the greeting when the wait exceeds the SLA (`wait_exceeded`), and goes into the queue with hold music, or hears the message,
when nobody is there in time.""",
    CallFlow.PREVIEW: """### Preview
The lead is dialed while the card goes from agent to agent. The answered lead is held until one accepts (`card_accepted`), who is then
rung; `accept_timed_out` is the end of the wait. (A preview whose lead is dialed only after an agent has accepted is agent-first.)""",
    CallFlow.AGENT_FIRST: """### Agent-first
An agent is rung while the call is `preparing`. Once he is on the line, the rules are asked again, and `cleared` dials the lead. An
agent who leaves meanwhile is replaced; one whose lead does not answer stays for the next. No call that ends out of `preparing` was
ever placed.""",
    CallFlow.MENU: """### Voice menu
Who answers is in the `menu`, where keys and silence lead from sound to sound. A choice may lead to an agent: from there on as in
progressive mode.""",
}


def call_life(flow: CallFlow) -> str:
    """Words, diagram, and what is heeded without leaving the state."""
    table = TABLES[flow]
    notes = [f"- {state}: {', '.join(events)}" for state, events in staying(table).items()]
    return "\n".join(
        [CALLS[flow], "```mermaid", diagram_of_moves(table), "```", "Heeded without leaving the state:", *notes]
    )


calls = "\n\n".join(map(call_life, CALLS))

PAGE = f"""# Lives

Printed from the tables in `dialerd/domain` by `make docs`; do not edit. What is not drawn here cannot happen.

## A campaign
```mermaid
{diagram(CAMPAIGN_TRANSITIONS)}
```
While a running campaign is outside its schedule it is shown as *scheduled*. `complete` is the dialer's own act, when nothing of
the campaign can be dialed any more; all others are people's.

| | New calls | Calls that ring | Conversations | Afterwards |
|---|---|---|---|---|
| pause | none | complete | go on | `resume` continues at the same point, in the same order |
| stop | none | are ended, the lead is due again | go on | cool-offs keep their timers |
| cancel | none | complete | go on | final |

## A lead
```mermaid
{diagram(LEAD_TRANSITIONS)}
```
Which of `missed`, `machine`, `put_back` and `exhausted` an unsuccessful call is, the outcome, the campaign's rules for it and the
attempts left decide (`dialerd/domain/retry.py`). `renewed` and `deleted` are acts of people, and never happen to a lead that is
being called; `judged_anew` follows from a change of the rules. Out of `success` an agent's disposition alone leads, and
`taken_back` leads back to it where another disposition follows.

## A call
Which of the four a call follows, its campaign's dial mode and target decide. States are only ever left forward, in the order of
`AttemptState`; news that a state does not list have no effect there. `lead_queued` and `message_begun` may come at any time: the
dialplan takes a lead back by itself when no daemon is there. `vanished` is a call whose end nobody saw.

{calls}

## A card before an agent
```mermaid
{diagram(OFFER_TRANSITIONS)}
```
`lapse` is the end of its time; `withdraw` is the call's end, or the lead served otherwise.
"""

if __name__ == "__main__":
    sys.stdout.write(PAGE)
