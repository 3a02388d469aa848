"""A real scrape of a real gateway with a sender, beside what deploy/ reads from it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.gateway_process import Gateway, free_port
from tests.eventually import eventually
from tests.unit.monitoring import NOT_OURS, questions, recorded

_PARTS = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_sum", "_count"),
    "gauge": ("",),
}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    gateway = Gateway(tmp_path, free_port(), {})
    await gateway.start()
    yield gateway
    await gateway.stop()


async def test_every_metric_that_grafana_and_the_alerts_name_is_in_a_scrape(gateway: Gateway) -> None:
    async def with_sender() -> str | None:
        text = str(await gateway.get("/metrics"))
        return text if re.search(r'^gateway_process_info\{.*role="send"', text, re.MULTILINE) else None

    text = await eventually(with_sender)
    families = dict(re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE))
    shown = {
        family.removesuffix("_total") + part for family, kind in families.items() for part in _PARTS[kind]
    }
    named = {name: question.where for question in questions() for name in question.names}
    missing = {name: where for name, where in named.items() if name not in shown | recorded() | NOT_OURS}
    assert not missing
    assert all(f"# HELP {family} " in text for family in families)

    found = await gateway.get("/v1/system")
    assert sorted(each["role"] for each in found["processes"]) == ["send", "serve"]
    assert found["open_files"]["inbound"] > found["open_files"]["inbound_used"] >= 1
    assert found["open_files"]["refused"] == {"over_budget": 0}
