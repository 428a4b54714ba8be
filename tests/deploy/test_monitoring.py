"""What Prometheus and Grafana are asked is PromQL."""

from __future__ import annotations

import json
from pathlib import Path

import promql_parser
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
RULES = yaml.safe_load((FOLDER / "convq.rules.yml").read_text())
DASHBOARD = json.loads((FOLDER / "grafana" / "dashboards" / "convq.json").read_text())
ALERTS = {rule["alert"]: rule["expr"] for group in RULES["groups"] for rule in group["rules"]}
PANELS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
}


@pytest.mark.parametrize("asked", [ALERTS, PANELS], ids=["alerts", "panels"])
def test_every_expression_can_be_read(asked: dict[str, str]) -> None:
    assert asked
    for where, expression in asked.items():
        try:
            # Grafana puts a duration there.
            promql_parser.parse(expression.replace("$__rate_interval", "1m"))
        except ValueError as error:
            pytest.fail(f"{where}: {error}: {expression}")
