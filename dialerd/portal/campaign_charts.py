"""Charts of the last hour and day: calls, how many of them were answered, and how busy agents were with them."""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from dialerd.portal.frame import section
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit
from dialerd.portal.words import count_text, length_text, share_text, time_text

say = texts("campaign")

SPANS = ("hour", "day")
_AVERAGED = {"hour": 5, "day": 4}
"""Buckets over which the answer rate is taken: of a single one it would jump."""

Buckets = Sequence[Mapping[str, Any]]
Options = dict[str, Any]


class Charts:
    def __init__(self, visit: Visit, path: str, zone: str) -> None:
        self._visit = visit
        self._path = path
        self._zone = zone
        self._span = span if (span := visit.query.get("span", "")) in SPANS else SPANS[0]
        self._agents: Mapping[str, int] | None = None
        with section(say("charts.title")):
            spans = ui.toggle({each: say(f"charts.{each}") for each in SPANS}, value=self._span)
            spans.props("no-caps unelevated dense").on_value_change(lambda event: self._choose(event.value))
            with ui.element("div").classes("d-charts"):
                self._calls = _Chart("calls")
                self._rate = _Chart("rate")
                self._use = _Chart("use")

    async def _choose(self, span: str) -> None:
        self._span = span
        self._visit.note_in_address(span="" if span == SPANS[0] else span)
        with self._visit.telling():
            await self.load(self._agents)

    async def load(self, agents: Mapping[str, int] | None) -> None:
        """`agents` of its queue, as they are now. Raises Refused."""
        self._agents = agents
        history = await self._visit.door.get(f"{self._path}/history", span=self._span)
        buckets, bucket_s, span = history["items"], history["bucket_s"], history["span"]
        times = [time_text(bucket["from"], self._zone).rpartition(" ")[2] for bucket in buckets]
        told = _sums(buckets, say(f"charts.{span}"))
        placed, answered = ([bucket[name] for bucket in buckets] for name in ("placed", "answered"))
        self._calls.put(
            say("charts.calls_told", **told),
            _axes(times, whole=True),
            [_bars(say("charts.placed"), placed, "grey"), _bars(say("charts.answered"), answered, "teal")],
        )
        self._rate.put(
            say("charts.rate_told", **told, over=length_text(_AVERAGED[span] * bucket_s)),
            _axes(times, most=100, unit=" %"),
            [_line(say("charts.rate"), _rates(placed, answered, _AVERAGED[span]), "teal")],
        )
        all_agents = agents["all"] if agents else 0
        use = _line(say("charts.use"), [round(bucket["talk_s"] / bucket_s, 2) for bucket in buckets], "blue", area=True)
        self._use.put(_use_told(told, buckets, bucket_s, all_agents), _axes(times), [_capped(use, all_agents)])


class _Chart:
    """What it shows is told above it, and to who does not see it."""

    def __init__(self, name: str) -> None:
        with ui.column().classes("d-chart"):
            ui.label(say(f"charts.{name}")).classes("d-h3").props("role=heading aria-level=3")
            self._told = ui.label().classes("d-help")
            # Drawn as SVG, whose colours may be those of the page: they follow it from light to dark.
            self._chart = ui.echart({"series": []}, renderer="svg").classes("d-echart").props("role=img")

    def put(self, told: str, axes: Options, series: list[Options]) -> None:
        self._told.text = told
        self._chart.props["aria-label"] = told
        self._chart.options.clear()
        self._chart.options.update({**_LOOKS, **axes, "series": series, "legend": {**_LEGEND, "show": len(series) > 1}})
        self._chart.update()


def _sums(buckets: Buckets, span: str) -> dict[str, str]:
    sums = {name: sum(bucket[name] for bucket in buckets) for name in ("placed", "answered", "connected", "abandoned")}
    rate = share_text(sums["answered"] / sums["placed"]) if sums["placed"] else say("charts.no_rate")
    return {**{name: count_text(number) for name, number in sums.items()}, "rate": rate, "span": span}


def _use_told(told: Mapping[str, str], buckets: Buckets, bucket_s: float, agents: int) -> str:
    talk_s = sum(bucket["talk_s"] for bucket in buckets)
    text = say("charts.use_told", span=told["span"], talk=length_text(talk_s), connected=told["connected"])
    if not agents:
        return text
    share = share_text(min(1.0, talk_s / (agents * bucket_s * len(buckets))))
    return f"{text} {say('charts.use_share', share=share, agents=agents)}"


def _rates(placed: Sequence[int], answered: Sequence[int], buckets: int) -> list[float | None]:
    """In percent, each over that many buckets up to its own; None where nothing was placed. A call is answered after it is placed,
    perhaps in the next bucket: so there may seem to be more of the one than of the other."""
    rates: list[float | None] = []
    for last in range(1, len(placed) + 1):
        latest = slice(max(0, last - buckets), last)
        calls = sum(placed[latest])
        rates.append(round(min(100.0, 100 * sum(answered[latest]) / calls), 1) if calls else None)
    return rates


# --- as ECharts wants it ---

_SOFT, _LINES = "var(--d-soft)", "var(--d-line)"
_LEGEND: Options = {"top": 0, "left": 0, "itemHeight": 10, "itemWidth": 14, "textStyle": {"color": _SOFT}}
_LOOKS: Options = {
    "animation": False,
    "grid": {"left": 4, "right": 12, "top": 28, "bottom": 4, "containLabel": True},
    "tooltip": {
        "trigger": "axis",
        "backgroundColor": "var(--d-card)",
        "borderColor": _LINES,
        "textStyle": {"color": "var(--d-ink)"},
        "axisPointer": {"type": "line", "lineStyle": {"color": _SOFT}},
    },
}


def _axes(times: Sequence[str], *, whole: bool = False, most: float | None = None, unit: str = "") -> Options:
    labels = {"color": _SOFT, "hideOverlap": True}
    line = {"lineStyle": {"color": _LINES}}
    return {
        "xAxis": {
            "type": "category",
            "data": [*times],
            "axisLabel": labels,
            "axisLine": line,
            "axisTick": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "minInterval": 1 if whole else None,
            "max": most,
            "axisLabel": {**labels, "formatter": "{value}" + unit},
            "splitLine": line,
        },
    }


def _bars(name: str, values: Sequence[float], colour: str) -> Options:
    """Those of one bucket over one another: what is answered is part of what was placed."""
    bars = {"type": "bar", "name": name, "data": [*values], "itemStyle": {"color": f"var(--d-{colour})"}}
    return {**bars, "barGap": "-100%", "barCategoryGap": "20%", "emphasis": {"disabled": True}}


def _line(name: str, values: Sequence[float | None], colour: str, *, area: bool = False) -> Options:
    paint = f"var(--d-{colour})"
    line = {"type": "line", "name": name, "data": [*values], "showSymbol": False, "emphasis": {"disabled": True}}
    drawn = {**line, "lineStyle": {"color": paint, "width": 2}, "itemStyle": {"color": paint}}
    return {**drawn, "areaStyle": {"color": paint, "opacity": 0.2}} if area else drawn


def _capped(line: Options, most: int) -> Options:
    """With a line across for as many agents as there are."""
    if not most:
        return line
    style = {"color": _SOFT, "type": "dashed"}
    label = {"formatter": say("charts.all_agents", agents=most), "position": "insideEndTop", "color": _SOFT}
    return {
        **line,
        "markLine": {"silent": True, "symbol": "none", "data": [{"yAxis": most}], "lineStyle": style, "label": label},
    }
