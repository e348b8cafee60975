"""Time zones: the only door to pytz, which bundles the whole zone database with the legacy names that number plans still use."""

from datetime import datetime

import pytz


def is_zone(name: str) -> bool:
    """Whether the name is in the IANA database, legacy names included."""
    return name in pytz.all_timezones_set


def in_zone(moment: datetime, name: str) -> datetime:
    """The same moment on the clocks of the zone. `moment` is aware; `name` has to be a zone."""
    return moment.astimezone(pytz.timezone(name))
