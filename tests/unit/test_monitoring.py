"""deploy/ for Prometheus and Grafana. Whether the names exist is seen in tests/process/test_monitoring.py."""

import json
import re

import pytest

from gateway.send_counts import WAITED
from tests.unit.monitoring import DASHBOARD, NOT_OURS, ROOT, Question, alerts, questions, recorded, rules

RUNBOOK = ROOT / "docs" / "runbook.md"
SECTIONS = set(re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE))


def test_every_expression_is_promql_and_reads_series_that_somebody_makes() -> None:
    for question in questions():
        for name in question.names - NOT_OURS:
            assert name in recorded() or re.fullmatch(r"gateway_[a-z_]+", name), f"{question.where}: {name}"


def test_what_is_no_promql_is_noticed() -> None:
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        Question("here", "sum by (site rate(gateway_requests_total[5m])").names  # noqa: B018


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_says_who_is_woken_what_is_wrong_and_what_to_do(alert: dict[str, dict[str, str]]) -> None:
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["runbook"] in SECTIONS


def test_names_of_alerts_and_of_recorded_series_are_used_once() -> None:
    names = [alert["alert"] for alert in alerts()]
    assert len(set(names)) == len(names)
    assert len(recorded()) == len(rules("recording.yml"))


def test_links_within_the_runbook_lead_somewhere() -> None:
    links = re.findall(r"\]\(#(\w+)\)", RUNBOOK.read_text())
    assert links
    assert set(links) <= SECTIONS


def test_the_objective_of_latency_is_a_bound_of_its_histogram() -> None:
    bounds = {bound for each in questions() for bound in re.findall(r'le="([\d.]+)"', each.expression)}
    assert bounds == {"5.0"}
    assert 5.0 in WAITED


def test_each_objective_burns_at_four_rates_over_a_long_and_a_short_window() -> None:
    rates = {
        objective: [
            tuple(re.findall(r"ratio_rate(\w+) > ([\d.]+) \* ([\d.]+)", alert["expr"]))
            for alert in alerts()
            if alert["labels"].get("objective") == objective
        ]
        for objective in ("latency", "delivery", "beacons")
    }
    for budget, burning in zip(("0.01", "0.005", "0.001"), rates.values(), strict=True):
        assert burning == [
            (("1h", "14.4", budget), ("5m", "14.4", budget)),
            (("6h", "6", budget), ("30m", "6", budget)),
            (("1d", "3", budget), ("2h", "3", budget)),
            (("3d", "1", budget), ("6h", "1", budget)),
        ]


def test_panels_of_the_dashboard_have_a_title_a_place_and_the_chosen_source() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    for panel in panels:
        assert panel["title"]
        assert all(each["datasource"]["uid"] == "${datasource}" for each in panel.get("targets", ()))
