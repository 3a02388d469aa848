"""What a scrape shows of processes that have no port of their own."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import figures
from gateway.context import Context
from gateway.figures import ALIVE, living, read_figures, render_own, reported
from gateway.metrics import Metrics
from gateway.process import ProcessCollector, Role
from gateway.scrape import render_metrics
from storage import processes
from storage.processes import Process
from tests.eventually import eventually
from tests.unit.installation import open_installation


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    async with open_installation(f"sqlite:///{tmp_path}/gateway.db", tmp_path) as installation:
        yield installation.context


async def shows(context: Context, line: str) -> bool:
    """For `eventually`: AssertionError until a scrape holds such a line."""
    text = (await render_metrics(context)).decode()
    assert re.search(line, text, re.MULTILINE), text
    return True


async def test_a_scrape_shows_what_senders_counted_under_their_names(context: Context) -> None:
    metrics = Metrics()
    sender = replace(context, registry=metrics.registry)
    metrics.registry.register(ProcessCollector(Role.SEND))
    metrics.in_flight.set(7)
    metrics.failed_flushes.inc(2)
    async with reported(sender, "sender-0-abc", Role.SEND):
        await eventually(lambda: shows(context, r'^gateway_pushes_in_flight\{sender="sender-0-abc"\} 7\.0$'))
        await shows(context, r'^gateway_failed_flushes_total\{sender="sender-0-abc"\} 2\.0$')
        await shows(context, r'^gateway_cpu_seconds_total\{sender="sender-0-abc"\} [\d.]+$')
        await shows(
            context, r'^gateway_process_info\{.*role="send",sender="sender-0-abc",version="[\d.]+"\} 1\.0$'
        )
    assert b"sender-0-abc" not in await render_metrics(context)


async def test_each_family_stands_once_however_many_processes_have_it(context: Context) -> None:
    context.registry.register(ProcessCollector(Role.SEND))
    async with reported(context, "one", Role.SEND), reported(context, "two", Role.SEND):
        await eventually(lambda: shows(context, 'sender="one"'))
        await eventually(lambda: shows(context, 'sender="two"'))
        text = (await render_metrics(context)).decode()
    families = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(families) == len(set(families))
    assert b'sender="' not in await render_own(context)


async def test_a_process_that_is_scraped_itself_reports_only_what_the_system_page_shows(
    context: Context,
) -> None:
    context.registry.register(ProcessCollector(Role.API))
    async with reported(context, "api-abc", Role.API):

        async def is_known() -> bool:
            known = await living(context)
            assert [set(read_figures(each.figures)) for each in known] == [
                {
                    "gateway_cpu_seconds_total",
                    "gateway_memory_bytes",
                    "gateway_process_info",
                }
            ]
            return True

        await eventually(is_known)
        assert b"api-abc" not in await render_metrics(context)


async def test_a_sender_that_died_without_a_word_is_shown_no_longer(context: Context) -> None:
    now = context.clock.now()
    told = figures.write_figures(context.registry)
    dead = Process("dead", Role.SEND, "host", 1, now - ALIVE, now - ALIVE - 1, told)
    await context.database.write(lambda tx: processes.report(tx, dead))
    assert b'sender="dead"' not in await render_metrics(context)
    assert await context.database.write(lambda tx: processes.forget_unseen(tx, now - ALIVE)) == 1
