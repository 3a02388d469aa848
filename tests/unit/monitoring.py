"""What deploy/ asks Prometheus: expressions, and the names of metrics in them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "gateway.json"
NOT_OURS = {"up"}


@dataclass(frozen=True, slots=True)
class Question:
    where: str
    expression: str

    @property
    def names(self) -> set[str]:
        """The series that it reads. ValueError: it is no PromQL."""
        found: set[str] = set()

        def visit(node: object) -> bool:
            selector = node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node
            if isinstance(selector, promql_parser.VectorSelector):
                assert selector.name, f"{self.where} reads whatever has some labels"
                found.add(selector.name)
            return True

        promql_parser.walk(promql_parser.parse(self.expression), visit, lambda _: True)
        return found


@cache
def rules(file: str) -> list[Mapping[str, Any]]:
    """All rules of a file of deploy/prometheus."""
    groups = yaml.safe_load((PROMETHEUS / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[Mapping[str, Any]]:
    return rules("alerts.yml")


def recorded() -> set[str]:
    """The names that recording rules make."""
    return {rule["record"] for rule in rules("recording.yml")}


@cache
def questions() -> list[Question]:
    """Everything that is asked: by recording rules, alerts, and panels of the dashboard."""
    return list(_questions())


def _questions() -> Iterator[Question]:
    for rule in (*rules("recording.yml"), *alerts()):
        yield Question(rule.get("record") or rule["alert"], rule["expr"])
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield Question(panel["title"], target["expr"].replace("$__rate_interval", "5m"))
