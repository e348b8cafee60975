"""The ways in which `make demo MODE=...` may go: what the campaign is told, what people do meanwhile, and what has to come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dialerd.audit import ON_LINE

MENU_FILE = Path(__file__).resolve().parent / "demo" / "menu.toml"


@dataclass(frozen=True, kw_only=True)
class DemoMode:
    title: str
    options: Mapping[str, str] = field(default_factory=dict)
    """Of `dialerd campaign create`, besides the usual ones."""
    agents_wanted: str = "one_each"
    """In the judge's words."""
    menu: Path | None = None
    cards: bool = False
    """Whether agents accept and skip cards."""
    keys: Sequence[str] = ()
    """What people press, each lead in its turn; the fates 93 and 94 press 1 and 9 anyway."""
    wanted: str = "connected"
    """An outcome that has to be among them."""
    never: frozenset[str] = frozenset()
    """Outcomes that must not be."""


MODES: Mapping[str, DemoMode] = {
    "progressive": DemoMode(title="Progressive: the lead first, an agent when the lead has answered"),
    "preview": DemoMode(
        title="Preview: a card for an agent while the lead is dialed; who accepts it gets the call",
        options={"mode": "preview", "offer": "10"},
        cards=True,
    ),
    "agent-first": DemoMode(
        title="Agent-first: an agent on the line before the lead is dialed; nobody is abandoned",
        options={"mode": "agent_first"},
        agents_wanted=ON_LINE,
        never=frozenset({"abandoned"}),
    ),
    "menu": DemoMode(
        title="Voice menu: press 1 to confirm, 2 to cancel, 9 to be called no more; no agent is needed",
        options={"target": "menu", "menu": "confirmation"},
        agents_wanted="none",
        menu=MENU_FILE,
        keys=("1", "2", "7,1", ""),
        wanted="menu_choice",
        never=frozenset({"connected", "abandoned"}),
    ),
}
