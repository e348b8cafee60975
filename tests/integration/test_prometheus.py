"""Rules, alerts and dashboards are what Prometheus takes, and name nothing that dialerd does not show. promtool is the judge."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import generate_latest

from tests.shown_metrics import all_shown

pytestmark = pytest.mark.integration

yaml: Any = import_module("yaml")
"""It has no types, and comes with schemathesis."""

PROMETHEUS, GRAFANA = Path("docker/prometheus"), Path("docker/grafana")
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
ALERT_TESTS = PROMETHEUS / "tests/alerts.yml"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
DATA_SOURCE = "dialerd-prometheus"

OF_PROMETHEUS = {"up": {"job"}, "ALERTS": {"alertname", "alertstate"}}
EVERYWHERE = {"instance", "job"}
"""Labels that a scrape adds."""
NAME = re.compile(r"\b(?:dialerd_\w+|\w+:dialerd_\w+:\w+|process_\w+|up|ALERTS)\b")
MATCHED = re.compile(r"(\b(?:dialerd_\w+|\w+:dialerd_\w+:\w+|process_\w+|up|ALERTS))\{([^}]*)\}")

Labels = Mapping[str, set[str]]
"""Of every series that may be named, what it may be chosen by."""


def promtool(*arguments: str | Path, told: str = "") -> str:
    """What it says. Its absence is a failure: nothing else can judge these files."""
    tool = shutil.which("promtool", path=str(Path(sys.executable).parent)) or shutil.which("promtool")
    assert tool, "promtool is not here: `make test-tools` fetches it"
    ran = subprocess.run([tool, *map(str, arguments)], input=told, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def rules() -> Iterator[dict[str, Any]]:
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


ALERTS = [rule for rule in rules() if "alert" in rule]
BOARDS: list[dict[str, Any]] = [json.loads(file.read_text()) for file in DASHBOARDS]


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All that shows something."""
    yield from (panel for panel in board["panels"] if panel["type"] != "row")


def expressions(board: dict[str, Any]) -> Iterator[str]:
    """As Prometheus gets them, with Grafana's variables filled in."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield re.sub(r"\$\w+", ".*", target["expr"].replace("$__rate_interval", "1m"))


@pytest_asyncio.fixture
async def labels() -> Labels:
    found: dict[str, set[str]] = {name: set(labels) for name, labels in OF_PROMETHEUS.items()}
    for family in (await all_shown()).collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    for rule in rules():
        if "record" in rule:
            found[rule["record"]] = set().union(*map(_named_in, re.findall(r"by \(([^)]*)\)", rule["expr"])))
    return found


def _named_in(by: str) -> set[str]:
    return {label.strip() for label in by.split(",")} - {"le"}


def is_in_order(expression: str, labels: Labels) -> bool:
    """Whether all that it names is there, and can be chosen by what it is chosen by."""
    named = set(NAME.findall(expression))
    chosen = [
        (name, label)
        for name, matchers in MATCHED.findall(expression)
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)
    ]
    return bool(named) and named <= labels.keys() and all(label in labels[name] | EVERYWHERE for name, label in chosen)


async def test_what_dialerd_shows_is_in_the_style_of_prometheus() -> None:
    assert promtool("check", "metrics", told=generate_latest(await all_shown()).decode()) == ""


def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    said = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert f"{len(RULES)} rule files found" in said
    promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)


def test_every_alert_fires_when_it_should_and_at_no_other_time() -> None:
    promtool("test", "rules", ALERT_TESTS)


def test_each_alert_is_tried_both_ways() -> None:
    tried = Counter(
        (each["alertname"], bool(each["exp_alerts"]))
        for group in yaml.safe_load(ALERT_TESTS.read_text())["tests"]
        for each in group["alert_rule_test"]
    )
    assert tried.keys() == {(alert["alert"], fires) for alert in ALERTS for fires in (True, False)}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_is_wrong_how_much_it_matters_and_where_it_stands_what_to_do(alert: dict[str, Any]) -> None:
    kebab = re.sub(r"(?<!^)(?=[A-Z])", "-", alert["alert"]).lower()
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook"}
    assert all(alert["annotations"].values())
    assert alert["annotations"]["runbook"] == f"docs/operations.md#{kebab}"


def test_there_is_a_section_about_what_to_do_for_each_alert() -> None:
    sections = set(re.findall(r"^#+ ([a-z-]+)$", Path("docs/operations.md").read_text(), re.MULTILINE))
    assert {alert["annotations"]["runbook"].partition("#")[2] for alert in ALERTS} <= sections


def test_the_table_of_metrics_leads_to_no_other_place_than_the_alerts_do() -> None:
    linked = set(re.findall(r"\((operations\.md#[a-z-]+)\)", Path("docs/metrics.md").read_text()))
    assert linked <= {alert["annotations"]["runbook"].removeprefix("docs/") for alert in ALERTS}


def test_rules_name_only_what_is_shown(labels: Labels) -> None:
    assert [rule for rule in rules() if not is_in_order(rule["expr"], labels)] == []


def test_nothing_is_recorded_that_nobody_asks_for() -> None:
    asked = {name for board in BOARDS for each in expressions(board) for name in NAME.findall(each)}
    asked |= {name for rule in rules() for name in NAME.findall(rule["expr"])}
    assert {rule["record"] for rule in rules() if "record" in rule} <= asked


@pytest.mark.parametrize("wrong", ["sum(dialerd_calls)", 'dialerd_link_up{queue="sales"}', "vector(1)"])
def test_what_names_something_else_is_found(wrong: str, labels: Labels) -> None:
    assert not is_in_order(wrong, labels)


# --- dashboards --------------------------------------------------------------------------------------------------------


def test_there_is_a_dashboard_for_each_place_to_look() -> None:
    assert {file.stem for file in DASHBOARDS} == {"overview", "campaign", "switch", "database"}


def test_dashboards_and_their_panels_can_be_told_apart() -> None:
    uids = [board["uid"] for board in BOARDS]
    assert len(set(uids)) == len(uids)
    for board in BOARDS:
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)


def test_every_panel_has_a_title_a_unit_and_says_what_it_shows() -> None:
    for board in BOARDS:
        assert board["title"]
        assert board["description"]
        for panel in panels(board):
            assert panel["title"]
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["targets"]


def test_no_panel_lies_on_another() -> None:
    for board in BOARDS:
        places = [panel["gridPos"] for panel in board["panels"]]
        covered = Counter(
            (x, y)
            for place in places
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        )
        assert covered.most_common(1)[0][1] == 1
        assert max(x for x, _ in covered) < 24


def test_prometheus_takes_every_expression_of_the_dashboards(tmp_path: Path) -> None:
    asked = [expression for board in BOARDS for expression in expressions(board)]
    recorded = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(asked)]
    file = tmp_path / "panels.json"  # which is YAML, too
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": recorded}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", file)


def test_dashboards_name_only_what_is_shown(labels: Labels) -> None:
    assert [each for board in BOARDS for each in expressions(board) if not is_in_order(each, labels)] == []


def test_dashboards_ask_the_data_source_that_is_provided() -> None:
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/dialerd.yml").read_text())["datasources"]
    assert source["uid"] == DATA_SOURCE
    asked = {
        asking["datasource"]["uid"]
        for board in BOARDS
        for asking in (
            *panels(board),
            *(target for panel in panels(board) for target in panel["targets"]),
            *board["templating"]["list"],
        )
    }
    assert asked == {DATA_SOURCE}


def test_variables_of_dashboards_are_read_from_series_that_are_shown(labels: Labels) -> None:
    for board in BOARDS:
        for variable in board["templating"]["list"]:
            asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
            assert asked
            assert asked[2] in labels[asked[1]] | EVERYWHERE


def test_the_compose_stack_shows_them() -> None:
    services = yaml.safe_load(Path("docker/compose.yml").read_text())["services"]
    mounted = {
        target: Path("docker") / source
        for service in ("prometheus", "grafana")
        for source, target, _ in (volume.split(":") for volume in services[service]["volumes"])
    }
    [provider] = yaml.safe_load((GRAFANA / "provisioning/dashboards/dialerd.yml").read_text())["providers"]
    assert mounted[provider["options"]["path"]] == GRAFANA / "dashboards"
    assert mounted["/etc/grafana/provisioning"] == GRAFANA / "provisioning"
    assert mounted["/etc/prometheus/rules"] == PROMETHEUS / "rules"
    assert mounted["/etc/prometheus/prometheus.yml"] == PROMETHEUS / "prometheus.yml"
    assert all(path.exists() for path in mounted.values())
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (mounted[str(Path(home).parent)] / Path(home).name).exists()
