"""What the gateway says of itself: to its admins, and to Prometheus."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.context import Context
from gateway.figures import write_figures
from gateway.histograms import DatabaseCollector
from gateway.metrics import Metrics
from gateway.process import ProcessCollector, Role
from gateway.scrape import render_metrics
from storage import processes, throttles
from storage.processes import Process
from storage.throttles import EVERY_SITE, FOR_GOOD, MASS_GONE
from tests.api.conftest import Api
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_database import FlakyDatabase


def sender() -> CollectorRegistry:
    """What a sender in the middle of its work shows."""
    metrics = Metrics()
    metrics.registry.register(ProcessCollector(Role.SEND))
    metrics.in_flight.set(70)
    metrics.unrecorded.set(5)
    metrics.provider_window.labels("fcm").set(100)
    metrics.provider_in_flight.labels("fcm").set(70)
    return metrics.registry


async def report(context: Context, owner: str, role: Role, registry: CollectorRegistry) -> None:
    now = context.clock.now()
    told = Process(owner, role, "elsewhere", 7, now - 60_000, now, write_figures(registry, role))
    await context.database.write(lambda tx: processes.report(tx, told))


async def hold(context: Context, provider: str, until: int, reason: str, failures: int) -> None:
    now = context.clock.now()
    await context.database.write(
        lambda tx: throttles.hold(tx, EVERY_SITE, provider, until, reason, now, failures)
    )


def by(items: list[dict[str, Any]], name: str) -> Mapping[str, dict[str, Any]]:
    return {each[name]: each for each in items}


async def scraped(api: Api) -> str:
    return await (await api.call("GET", "/metrics", 200)).text()


async def test_the_system_shows_the_processes_of_all_machines(api: Api, context: Context) -> None:
    serving = CollectorRegistry()
    serving.register(ProcessCollector(Role.SERVE))
    await report(context, "sender-0-abc", Role.SEND, sender())
    await report(context, "serve-def", Role.SERVE, serving)
    found = by((await api.get("/v1/system"))["processes"], "role")
    sending = found["send"]
    assert (sending["owner"], sending["host"], sending["pid"]) == ("sender-0-abc", "elsewhere", 7)
    assert (sending["in_flight"], sending["unrecorded"]) == (70, 5)
    assert sending["started_at"] == "2025-12-31T23:59:00Z"
    for each in found.values():
        assert each["cpu_seconds"] > 0
        assert each["memory_bytes"] > 1_000_000
        assert re.fullmatch(r"\d+\.\d+\.\d+", each["version"])


async def test_a_process_that_is_silent_is_not_shown(api: Api, context: Context, clock: FakeClock) -> None:
    await report(context, "sender-0-abc", Role.SEND, sender())
    clock.advance(16)
    assert (await api.get("/v1/system"))["processes"] == []


async def test_the_system_shows_push_services_as_all_senders_see_them(
    api: Api, context: Context, clock: FakeClock
) -> None:
    await report(context, "one", Role.SEND, sender())
    await report(context, "two", Role.SEND, sender())
    now = clock.now()
    await hold(context, "mozilla", now + 60_000, "breaker", 1)
    await hold(context, "wns", now + 5_000, "breaker", 2)
    await hold(context, "apple", FOR_GOOD, MASS_GONE, 0)
    clock.advance(10)
    found = by((await api.get("/v1/system"))["providers"], "provider")
    assert found["fcm"] == {
        "provider": "fcm",
        "window": 200,
        "in_flight": 140,
        "held_until": None,
        "reason": None,
        "breaker": "closed",
    }
    held = {name: (each["breaker"], each["reason"], each["held_until"]) for name, each in found.items()}
    assert held["mozilla"] == ("open", "breaker", "2026-01-01T00:01:00Z")
    assert held["wns"] == ("half_open", None, None)
    assert held["apple"] == ("open", "mass_gone", None)
    assert held["other"] == ("closed", None, None)


async def test_the_system_shows_the_database_and_open_files(api: Api) -> None:
    found = await api.get("/v1/system")
    assert found["database"]["dialect"] == "sqlite"
    assert found["database"]["size_bytes"] > 100_000
    assert found["open_files"]["limit"] >= found["open_files"]["used"] > 3
    assert found["events_waiting"] == 0


async def test_the_system_is_not_for_a_sites_own_token(api: Api, site: str) -> None:
    bound = api.with_token(await api.new_token(site, "read"))
    assert (await bound.get("/v1/system", 403))["code"] == "forbidden"
    await api.with_token(None).get("/v1/system", 401)


async def test_requests_count_by_the_pattern_of_their_route(api: Api, site: str) -> None:
    await api.get(f"/v1/sites/{site}")
    await api.get("/v1/sites/site_000000000zzzz", 404)
    await api.with_token(None).get("/v1/sites/site_000000000zzzz", 401)
    text = await scraped(api)
    for status in (200, 404, 401):
        line = f'gateway_requests_total{{method="GET",route="/v1/sites/{{site}}",status="{status}"}} 1.0'
        assert line in text
    assert 'gateway_request_seconds_count{method="GET",route="/v1/sites/{site}"} 3.0' in text
    assert "gateway_requests_in_progress 1.0" in text  # the scrape itself
    assert site not in text


@pytest.mark.parametrize(("method", "path"), [("GET", "/wp-login.php"), ("DELETE", "/v1/sites")])
async def test_what_strangers_ask_for_is_no_label(api: Api, method: str, path: str) -> None:
    await api.call(method, path, 404 if method == "GET" else 405)
    text = await scraped(api)
    assert re.search(
        r'^gateway_requests_total\{method="any",route="none",status="40[45]"\} 1\.0$', text, re.M
    )
    assert "wp-login" not in text


async def test_a_scrape_shows_what_stands_still(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    await api.new_message(site)
    await hold(context, "mozilla", clock.now() + 60_000, "breaker", 1)
    text = await scraped(api)
    assert 'gateway_messages{state="scheduled"} 1.0' in text
    assert 'gateway_messages{state="paused"} 0.0' in text
    assert 'gateway_provider_breaker{provider="mozilla",state="open"} 1.0' in text
    assert 'gateway_provider_breaker{provider="mozilla",state="closed"} 0.0' in text
    assert 'gateway_provider_breaker{provider="fcm",state="closed"} 1.0' in text
    assert "gateway_keys_paused 0.0" in text
    held = 'gateway_throttled_until_seconds{provider="mozilla",reason="breaker",site="0"}'
    (until,) = re.findall(rf"^{re.escape(held)} (\S+)$", text, re.MULTILINE)
    assert float(until) == clock.now() / 1_000 + 60
    clock.advance(60)
    assert held not in await scraped(api)


async def test_a_scrape_without_a_database_shows_the_process(
    serve: Callable[[Context], Awaitable[Api]], context: Context
) -> None:
    flaky = FlakyDatabase(context.database)
    context.registry.register(ProcessCollector(Role.API))
    await serve(replace(context, database=flaky))
    flaky.down = True
    assert b"gateway_cpu_seconds_total" in await render_metrics(replace(context, database=flaky))


async def test_transactions_are_timed_with_the_wait_for_their_lock_apart(
    context: Context, clock: FakeClock
) -> None:
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(context.database.timings))

    def count(name: str, kind: str) -> float:
        return registry.get_sample_value(name, {"kind": kind}) or 0.0

    names = ("gateway_database_wait_seconds_count", "gateway_database_seconds_count")
    before = [count(name, kind) for name in names for kind in ("read", "read_apart", "write")]
    await hold(context, "fcm", clock.now() + 1, "breaker", 1)
    await context.database.read(throttles.all)
    await context.database.read_apart(throttles.all)
    after = [count(name, kind) for name in names for kind in ("read", "read_apart", "write")]
    assert [late - early for early, late in zip(before, after, strict=True)] == [1.0] * 6
