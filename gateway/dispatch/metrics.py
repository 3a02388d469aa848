"""What `/metrics` shows of webhooks. The gauges are set by the process that leads, and are 0 elsewhere."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from storage.webhook_deliveries import Summary


class WebhookMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "gateway_webhook_attempts",
            "Requests to webhooks: delivered, failed (tried again), dead (the last one), gone (410).",
            ["outcome"],
            registry=registry,
        )
        self.events = Counter(
            "gateway_webhook_events", "Events that were packed for a webhook.", registry=registry
        )
        self.lag = Gauge(
            "gateway_webhook_lag_seconds",
            "How long the oldest delivery of an active webhook has been waiting.",
            registry=registry,
        )
        self.pending = Gauge(
            "gateway_webhook_pending", "Deliveries of active webhooks that wait.", registry=registry
        )
        self.dead = Gauge(
            "gateway_webhook_dead",
            "Deliveries that were given up and are kept for a replay.",
            registry=registry,
        )

    def show(self, summary: Summary, now: int) -> None:
        self.pending.set(summary.pending)
        self.dead.set(summary.dead)
        self.lag.set(0 if summary.oldest_at is None else max(0, now - summary.oldest_at) / 1_000)

    def resign(self) -> None:
        """Another process shows them from now on."""
        for gauge in (self.pending, self.dead, self.lag):
            gauge.set(0)
