"""What the description of the API says of fields that say nothing themselves: values of the domain, which knows no descriptions, and
names that mean the same everywhere."""

from collections.abc import Mapping
from typing import Any

_OF_A_SCHEMA: Mapping[str, Mapping[str, str]] = {
    "AbandonmentOut": {"rate": "Abandoned of all that were answered by a person, 0 to 1."},
    "AgentOut": {"name": "As people call the agent.", "paused": "Whether the agent is paused in the queue."},
    "CallerId": {"number": "As it is shown to who is called.", "name": "The name beside the number. Empty: none."},
    "DayPlan": {
        "days": "The days after a lead's creation, and when on each. On others it is not dialed.",
        "window_h": "For so many hours from that time on.",
    },
    "ExplanationOut": {"why": "One sentence each."},
    "HeldLeads": {"leads": "How many it holds."},
    "LeadWindow": {"start": "By the lead's own clocks.", "end": "By the lead's own clocks, not included."},
    "NodeOut": {"version": "Of dialerd.", "started_at": "When this process began."},
    "QueueOut": {"agents": "How many are signed in.", "paused": "Of these, are paused.", "in_call": "Of these, talk."},
    "ScheduleRow": {"start": "From this time of day on.", "end": "Until this time of day, not included."},
    "StatusOut": {"nodes": "The daemons of the database."},
}
_OF_A_FIELD: Mapping[str, str] = {
    "abandoned": "Calls that a person answered and no agent took in time.",
    "allows": "Whether it lets a call start.",
    "answered": "Calls that were answered.",
    "calls_per_second": "The pace that is set.",
    "code": "What programs call it.",
    "concurrency": "Most calls in flight at once.",
    "connected": "Calls that an agent took.",
    "created_at": "When it was made.",
    "deliveries": "How many it was done to.",
    "dial_mode": "In which order lead and agent are called.",
    "draining": "Whether it starts no call any more.",
    "enabled": "Whether it is in use.",
    "error": "What went wrong last. Empty: nothing.",
    "heartbeat_at": "When it last gave a sign of life.",
    "held_leads": "How many leads wait because of each rule.",
    "id": "Id.",
    "in_flight": "Calls that have not ended.",
    "items": "What was found, in order.",
    "last_error": "What went wrong last. Empty: nothing.",
    "max_attempts": "Most attempts that a campaign may set.",
    "max_calls_per_second": "The highest pace that a campaign may set.",
    "max_concurrency": "Most calls in flight that a campaign may set.",
    "max_pool": "Most numbers that a pool may have.",
    "months": "In these months; null or none: in all.",
    "name": "What people call it.",
    "open_calls": "Calls that have not ended.",
    "pause_reason": "What was said at the pause. Empty: nothing.",
    "placed": "Calls that were placed.",
    "placed_last_minute": "Calls that were placed in the last 60 seconds.",
    "possible_actions": "What can be done to it as things stand.",
    "queue": "The queue whose agents take the calls.",
    "rule": "The rule that is asked.",
    "sentence": "Why no call starts now, for people.",
    "time": "When it happened.",
    "time_zone": "IANA zone, such as Europe/London.",
    "tries": "How often it was tried.",
    "url": "Where messages are sent.",
    "weekdays": "On these days of the week.",
}


def describe_fields(schemas: Mapping[str, Any]) -> None:
    """Those of components/schemas that are not described yet."""
    for schema, told in schemas.items():
        for field, meaning in told.get("properties", {}).items():
            words = _OF_A_SCHEMA.get(schema, {}).get(field) or _OF_A_FIELD.get(field)
            if words and not meaning.get("description") and "$ref" not in meaning:
                meaning["description"] = words
