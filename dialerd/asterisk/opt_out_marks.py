"""What callers of the opt-out line have left in Asterisk's database, while no daemon answered the dialplan."""

from collections.abc import Mapping
from urllib.parse import unquote

from dialerd.asterisk import variables
from dialerd.asterisk.ami import Ami, AmiForbidden, AmiRefused


class OptOutMarks:
    """Fulfils the dialer's port of the same name."""

    def __init__(self, ami: Ami) -> None:
        self._ami = ami

    async def found(self) -> Mapping[str, str]:
        """The account's name (empty: the default one) by the caller's number, as the carrier has shown it. Raises AsteriskUnavailable."""
        try:
            rows = await self._ami.list_action("DBGetTree", {"Family": variables.OPT_OUT_LINE_FAMILY})
        except AmiForbidden:
            raise
        except AmiRefused:  # there are none
            return {}
        return {
            row.get("Key", "").rpartition("/")[2]: unquote(row.get("Val", "").partition(":")[2])
            for row in rows
            if row.get("Key")
        }

    async def forget(self, number: str) -> None:
        """By a function: the action that deletes wants rights by which one could take over the PBX."""
        mark = f"DB_DELETE({variables.OPT_OUT_LINE_FAMILY}/{''.join(c for c in number if c in '+0123456789')})"
        await self._ami.action("Setvar", {"Variable": mark, "Value": "gone"})
