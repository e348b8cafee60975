"""Days and times that a user names by the account's clock, as the API has them. What is no day or time is sent as it is: the API says
so, beside the field."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dialerd.portal.words import moment


def end_of_day(day: str, zone: str) -> str | None:
    """`2027-01-31`: when it is over; None for none."""
    try:
        return _written(datetime.fromisoformat(day) + timedelta(days=1), zone) if day else None
    except (ValueError, OverflowError):
        return day


def time_of(text: str, zone: str) -> str | None:
    """`2027-01-31T09:00`; None for none."""
    try:
        return _written(datetime.fromisoformat(text), zone) if text else None
    except (ValueError, OverflowError):
        return text


def time_field(text: str | None, zone: str) -> str:
    """Of a time as the API writes it: what the browser's field for times holds."""
    at = moment(text)
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M") if at else ""


def _written(local: datetime, zone: str) -> str:
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).isoformat()
