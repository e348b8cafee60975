"""Prints docs/lives.md: the lives of campaigns and leads, drawn from the tables that the program itself obeys."""

import sys

from dialerd.domain.campaigns import CAMPAIGN_TRANSITIONS
from dialerd.domain.leads import LEAD_TRANSITIONS
from dialerd.domain.transitions import diagram

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
being called; `judged_anew` follows from a change of the rules.
"""

if __name__ == "__main__":
    sys.stdout.write(PAGE)
