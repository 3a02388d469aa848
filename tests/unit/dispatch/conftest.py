from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.dispatch.metrics import WebhookMetrics
from gateway.setting_values import HostPort
from tests.fakes.receiver import Receiver
from tests.unit.dispatch.stand import Stand
from tests.unit.installation import open_installation


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
async def stand(database_url: str, tmp_path: Path, receiver: Receiver) -> AsyncIterator[Stand]:
    async with open_installation(database_url, tmp_path) as there:
        settings = replace(there.context.settings, outbound_private=(HostPort("127.0.0.1", receiver.port),))
        there.context = replace(there.context, settings=settings)
        registry = CollectorRegistry()
        yield Stand(there, receiver, WebhookMetrics(registry), registry)
