"""What every tier of the tests may use."""

import os
from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.push_service import PushService

pytest_plugins = ["pytester", "tests.databases"]


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """REQUIRE_ALL=1 is for machines that have everything: there a skip hides a broken installation."""
    if os.environ.get("REQUIRE_ALL") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ALL=1 allows no skip, but: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificate authority of this run; `authority.ca_file` goes into GATEWAY_PUSH_CA_FILE."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def push_service(authority: Authority) -> AsyncIterator[PushService]:
    """A strict push service on https://localhost:PORT and, by Host header, every known provider."""
    service = PushService(authority)
    await service.start()
    yield service
    await service.close()
