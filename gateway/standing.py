"""What the database knows of the whole gateway, for each scrape: messages, keys, push services, alerts."""

from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric

from gateway.context import Context
from gateway.system import Breaker, breaker_of
from gateway.watch.metric import alerts_family
from storage import alerts, throttles, work
from storage.alerts import Alert
from storage.batches import PROVIDERS
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.throttles import EVERY_SITE, Throttle
from storage.work import Work

MOST_SHOWN = 200  # holds: each is a time series


class Standing(NamedTuple):
    work: Work
    providers: Sequence[Throttle]
    held: Sequence[Throttle]
    alerts: Sequence[Alert]


async def read_standing(context: Context) -> Sequence[Metric]:
    """The same whichever process is asked: not to be added up. Raises StorageUnavailable."""

    now = context.clock.now()

    async def body(tx: Transaction) -> Standing:
        return Standing(
            await work.counts(tx),
            await throttles.of_site(tx, EVERY_SITE),
            await throttles.held(tx, now, MOST_SHOWN),
            await alerts.raised(tx),
        )

    return _families(await context.database.read(body), now)


def _families(found: Standing, now: int) -> Sequence[Metric]:
    messages = GaugeMetricFamily(
        "gateway_messages", "Messages of all sites that have not ended.", labels=["state"]
    )
    for state in ("sending", "paused", "scheduled"):
        messages.add_metric([state], getattr(found.work, state))
    breakers = GaugeMetricFamily(
        "gateway_provider_breaker", "1 for the state that a push service is in.", labels=["provider", "state"]
    )
    holds = {each.provider: each for each in found.providers}
    for provider in PROVIDERS:
        state_now = breaker_of(holds.get(provider), now)
        for state in Breaker:
            breakers.add_metric([provider, state], float(state is state_now))
    keys = GaugeMetricFamily(
        "gateway_keys_paused", "Keys that push services refused.", value=found.work.paused_keys
    )
    return messages, breakers, _holds(found.held), keys, alerts_family(found.alerts)


def _holds(held: Sequence[Throttle]) -> Metric:
    family = GaugeMetricFamily(
        "gateway_throttled_until_seconds",
        "When a hold ends, in seconds since the epoch; site 0 is every site, no provider every provider.",
        labels=["site", "provider", "reason"],
    )
    for each in held:
        site = "0" if each.site_id == EVERY_SITE else encode_id(Kind.SITE, each.site_id)
        family.add_metric([site, each.provider, each.reason or ""], each.not_before / 1_000)
    return family
