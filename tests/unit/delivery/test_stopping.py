"""How long a sender takes to stop: no longer than it is given."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.commands.roles import ANSWER_WITHIN, STOP_SENDERS_WITHIN
from gateway.delivery.limits import SenderLimits
from tests.eventually import eventually
from tests.fakes.flaky_database import FlakyDatabase
from tests.fakes.transport import FakeTransport
from tests.unit.installation import Installation
from tests.unit.sending import QUICK, sender, start_due

UNIT = Path(__file__).resolve().parents[3] / "deploy" / "webpush-gateway.service"


def test_a_sender_has_stopped_by_itself_before_its_supervisor_and_systemd_kill_it() -> None:
    limits = SenderLimits()
    assert limits.stop_within + limits.record_within < STOP_SENDERS_WITHIN
    [text] = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.M)
    assert int(text) > STOP_SENDERS_WITHIN + ANSWER_WITHIN


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_stop_without_a_database_ends_in_time(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    await installation.subscribe(5)
    await installation.add_message()
    await start_due(installation)
    transport = FakeTransport(lambda _: None)
    database = FlakyDatabase(installation.database)
    limits = replace(QUICK, record_within=0.05)
    async with sender(installation, transport, limits=limits, database=database):
        await eventually(lambda: transport.in_flight == 5)
        database.down = True
        transport.answer()
    assert "sender.stopped_unrecorded" in caplog.text
