"""What Prometheus and Grafana are asked is PromQL, and alerts say what is wrong when it is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "monitoring"
RULES = yaml.safe_load((FOLDER / "convq.rules.yml").read_text())
DASHBOARD = json.loads((FOLDER / "grafana" / "dashboards" / "convq.json").read_text())
ALERTS = {rule["alert"]: rule["expr"] for group in RULES["groups"] for rule in group["rules"]}
PANELS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
}
# By promtool: what goes on, and what is said then.
CASES = Path(__file__).with_name("alerts.yml")
NEEDS_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)


def parsed(where: str, expression: str) -> promql_parser.Expr:
    try:
        # Grafana puts a duration there.
        return promql_parser.parse(expression.replace("$__rate_interval", "1m"))
    except ValueError as error:
        pytest.fail(f"{where}: {error}: {expression}")


def parts_of(expression: promql_parser.Expr) -> Iterator[promql_parser.Expr]:
    """Yield an expression and all that it is made of."""
    yield expression
    inside = [getattr(expression, name, None) for name in ("expr", "lhs", "rhs", "vector_selector")]
    for part in (*inside, *getattr(expression, "args", ())):
        if part is not None:
            yield from parts_of(part)


def documented() -> dict[str, set[str]]:
    """Return the labels of each metric, by the table of docs/metrics.md."""
    rows = re.findall(
        r"^\| `(convq_\w+)` \| ([^|]*)\|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
    )
    assert rows
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


@pytest.mark.parametrize("asked", [ALERTS, PANELS], ids=["alerts", "panels"])
def test_every_expression_asks_for_labels_that_there_are(asked: dict[str, str]) -> None:
    assert asked
    told = documented()
    for where, expression in asked.items():
        parts = list(parts_of(parsed(where, expression)))
        labels: set[str] = set()
        for selector in (p for p in parts if isinstance(p, promql_parser.VectorSelector)):
            if selector.name == "up":
                continue
            own = told[re.sub("_(bucket|sum|count)$", "", selector.name)] | {"le"}
            assert {matcher.name for matcher in selector.matchers.matchers} <= own, where
            labels |= own
        for part in (p for p in parts if isinstance(p, promql_parser.AggregateExpr)):
            assert part.modifier is None or set(part.modifier.labels) <= labels, where


def test_every_alert_has_a_case() -> None:
    cases = yaml.safe_load(CASES.read_text())["tests"]
    rung = {
        asked["alertname"]
        for case in cases
        for asked in case.get("alert_rule_test", ())
        if asked.get("exp_alerts")
    }
    assert rung == set(ALERTS)


@NEEDS_PROMTOOL
def test_prometheus_reads_the_metrics_and_has_nothing_to_say(metrics: str) -> None:
    # The parser is the one by which KEDA reads them.
    asked = ["promtool", "check", "metrics"]
    done = subprocess.run(asked, input=metrics, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@NEEDS_PROMTOOL
def test_alerts_say_what_is_wrong_when_it_is() -> None:
    done = subprocess.run(["promtool", "test", "rules", CASES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
