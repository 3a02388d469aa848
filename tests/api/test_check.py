"""What `check` says of a gateway at work. The rest of it is in tests/process."""

import re

import pytest

from gateway.commands.findings import Findings
from gateway.commands.running import check_running
from gateway.context import Context
from gateway.metrics import Metrics
from gateway.process import Role
from gateway.scheduler.starter import Starter
from gateway.watch.vitals import Facts, report_vitals
from storage import alerts, throttles
from storage.alerts import Alert
from storage.throttles import EVERY_SITE, FOR_GOOD, MASS_GONE
from tests.api.conftest import Api
from tests.api.test_system import hold, report, sender
from tests.fakes.clock import FakeClock


async def check(context: Context, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], int]:
    """Its lines, and how many things must be fixed."""
    capsys.readouterr()
    found = Findings()
    await check_running(context, found)
    return capsys.readouterr().out.splitlines(), found.problems


async def test_check_tells_of_processes_push_services_and_that_nothing_is_wrong(
    api: Api, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    await report(context, "sender-0-abc", Role.SEND, sender())
    lines, problems = await check(context, capsys)
    assert problems == 0
    assert not [line for line in lines if not line.startswith("ok ")]
    assert lines[0].startswith("ok       database     ")
    assert "process 7 on elsewhere" in lines[1]
    assert "70 pushes in flight, 5 answers unrecorded" in lines[1]
    assert lines[2:] == [
        "ok       push service fcm: 70 in flight, room for 100",
        "ok       alerts       none is raised",
    ]


async def test_check_notices_that_nobody_sends_what_is_to_be_sent(
    api: Api, site: str, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, problems = await check(context, capsys)
    assert ("ok       senders      none runs now, and nothing is to be sent" in lines, problems) == (True, 0)
    await api.new_message(site)
    await Starter(context, Metrics()).step()
    lines, problems = await check(context, capsys)
    assert problems == 1
    (bad,) = [line for line in lines if line.startswith("FIX ")]
    assert "None is alive, and 1 messages wait" in bad


async def test_check_tells_of_what_is_held_and_what_must_be_decided(
    api: Api, context: Context, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    await hold(context, "mozilla", clock.now() + 60_000, "breaker", 1)
    await hold(context, "wns", clock.now() + 5_000, "breaker", 1)
    await hold(context, "apple", FOR_GOOD, MASS_GONE, 0)
    clock.advance(10)
    lines, problems = await check(context, capsys)
    held = {line.split()[3].rstrip(":"): line for line in lines if "push service" in line}
    assert re.match("warning .*held for breaker", held["mozilla"])
    assert re.match("warning .*a few are tried", held["wns"])
    assert re.match("FIX .*docs/runbook.md#mass_gone", held["apple"])
    assert problems == 1
    await context.database.write(lambda tx: throttles.release(tx, EVERY_SITE, "apple"))
    assert (await check(context, capsys))[1] == 0


async def test_check_shows_alerts_with_what_to_look_at_first(
    api: Api, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, severity in enumerate(("warning", "critical")):
        alert = Alert(
            number + 1,
            0,
            f"alert_{severity}",
            "",
            severity,
            1.0,
            None,
            0.5,
            "It is so.",
            ("Look there.", "No."),
            0,
        )
        await context.database.write(lambda tx, alert=alert: alerts.add(tx, alert))  # type: ignore[misc]
    lines, problems = await check(context, capsys)
    assert problems == 1
    assert "warning  alert        It is so. Look there. (docs/runbook.md#alert_warning)" in lines
    assert "FIX      alert        It is so. Look there. (docs/runbook.md#alert_critical)" in lines


@pytest.mark.parametrize(("ahead", "wrong"), [(1_200, False), (-45_000, True)])
async def test_check_and_the_system_show_the_clock_that_is_most_off(
    api: Api, context: Context, capsys: pytest.CaptureFixture[str], ahead: int, wrong: bool
) -> None:
    assert (await api.get("/v1/system"))["clock_offset_ms"] is None
    await report_vitals(context, "one", Role.SEND, Facts(push_clock=ahead))
    await report_vitals(context, "two", Role.SEND, Facts(push_clock=300))
    assert (await api.get("/v1/system"))["clock_offset_ms"] == ahead
    lines, problems = await check(context, capsys)
    (line,) = [line for line in lines if " clock " in line]
    assert f"{abs(ahead) / 1_000:.1f} s {'behind' if wrong else 'ahead of'}" in line
    assert problems == int(wrong)
