"""Dial cycles: days that begin at a set time on the account's clock, and the dials that each lead may get in one."""

from datetime import datetime, time, timedelta
from functools import lru_cache

from dialerd.domain.timezones import instants_of, wall_clock


@lru_cache(maxsize=64)  # asked for each lead of a batch, always at the same moment
def cycle_at(now: datetime, zone: str, begins: time = time(0)) -> tuple[datetime, datetime]:
    """When the cycle that `now` lies in began, and when it ends. "Time of day (hh:mm) when dial cycles reset".

    On a day without that time a cycle begins as soon as the clocks are past it; on one that has it twice, at the first.
    """
    today = wall_clock(now, zone).date()
    days = (today + timedelta(days=n) for n in range(-1, 3))
    resets = [instants_of(datetime.combine(day, begins), zone)[0] for day in days]
    return max(reset for reset in resets if reset <= now), min(reset for reset in resets if reset > now)
