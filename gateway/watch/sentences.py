"""What an alert says: one sentence on what is wrong, and what to look at, first things first."""

from gateway.watch.bands import Band, Sample
from gateway.watch.looks import Key, Reading, Severity
from gateway.watch.names import (
    BEACONS_MISSING,
    CERTIFICATE,
    CLICK_RATE,
    CLOCK,
    DISPLAY_RATE,
    FAILURE_RATE,
    LATENCY,
    OPEN_FILES,
    PRUNE_RATE,
    QUOTA,
    SENDERS,
    WEBHOOK_DEAD,
    WEBHOOK_LAG,
)

LOOK_AT: dict[str, tuple[str, ...]] = {
    OPEN_FILES: (
        "The limit of open files of this process: `ulimit -Hn`, LimitNOFILE= of its unit, --ulimit nofile.",
        "gateway_connections_refused and gateway_open_files on /metrics: since when, and on which process.",
        "Whether a proxy in front keeps more connections open than it needs.",
    ),
    DISPLAY_RATE: (
        "Whether it is this push service only: the site's statistics by provider.",
        "The alerts open_files and beacons_missing: reports turned away look like displays that never were.",
        "The site's worker file: the site's check fetches it and says what is wrong with it.",
        "What changed in the notification: `valid_until`, its size, a fallback.",
    ),
    CLICK_RATE: (
        "The last messages' texts, pictures and links: do the links open?",
        "Whether the display rate has fallen, too: then look there first.",
    ),
    FAILURE_RATE: (
        "GET …/messages/{message}/failures of the last message, with the push services' own words.",
        "The site's application server keys and the alert clock: 401 and 403 come from these.",
        "Whether other sites fail at the same push service: then it is theirs.",
    ),
    PRUNE_RATE: (
        "Whether many old subscriptions were imported of late: they end like this, once.",
        "Whether a proxy in between answers 404: a provider that is held for mass_gone can be reverted.",
        "Whether the site's worker or its key was changed, so that browsers subscribe anew.",
    ),
    LATENCY: (
        "GET /v1/throttles: is the push service held, or paced?",
        "gateway_provider_window on /metrics: a narrow window is a push service that takes less.",
        "CPU of the sender processes, and the way from here to the push service.",
    ),
    BEACONS_MISSING: (
        "Whether browsers reach the gateway's public URL: its certificate, its name, the proxy in front.",
        "The alert open_files: connections that are refused are reports that come late, or never.",
        "gateway_events_refused and gateway_events_waiting on /metrics; event_ingest.died in the log.",
    ),
    CLOCK: (
        "The machine's time service: `timedatectl`, `chronyc tracking`.",
        "Whether push services answer 401 or 403: tokens are signed for a time.",
    ),
    CERTIFICATE: (
        "GATEWAY_PUSH_CA_FILE, or the system's package ca-certificates: is it old?",
        "The alert clock: a certificate is not valid yet, or not any more, on a clock that is wrong.",
        "Whether a proxy in between replaces certificates.",
    ),
    WEBHOOK_LAG: (
        "GET …/webhooks: `last_error` says what the receiver answers.",
        "How long the receiver takes to answer: it should store what it gets, and work on it afterwards.",
    ),
    WEBHOOK_DEAD: (
        "GET …/webhooks: `last_error` says what the receiver answered.",
        "When it works again: POST …/webhooks/{webhook}/replay sends what was given up.",
    ),
    QUOTA: (
        "GET …/usage: what is used, and when it begins anew.",
        "Whether it may have more: PATCH /v1/sites/{site} with `settings.quotas`, by a token for all sites.",
    ),
    SENDERS: (
        "The log: events sender.died, sender.not_started and sender.killed say why.",
        "Memory and the limit of processes of the machine.",
        "GATEWAY_SENDERS: with 0 somebody else has to run `send`.",
    ),
}

_RATES = {
    DISPLAY_RATE: "Only {now} of this site's pushes accepted by {provider} were displayed, usually {usual}.",
    CLICK_RATE: "Only {now} of this site's displays ({provider}) were clicked, usually {usual}.",
    FAILURE_RATE: "{now} of this site's pushes to {provider} fail, usually {usual}.",
    PRUNE_RATE: "{now} of this site's pushes to {provider} find the subscription ended, usually {usual}.",
}


def of_ratio(key: Key, sample: Sample, band: Band, evidence: int) -> Reading:
    """A rate of a site on a provider; each is bad in one direction only."""
    falls = key.name in (DISPLAY_RATE, CLICK_RATE)
    return Reading(
        key,
        Severity.WARNING,
        sample.ratio,
        band.low if falls else None,
        None if falls else band.high,
        evidence,
        summary=_RATES[key.name].format(
            now=percent(sample.ratio), usual=percent(band.usual), provider=key.provider
        ),
        look_at=LOOK_AT[key.name],
        looks=2 if falls else 3,
        back=1 if falls else 5,
    )


def percent(share: float) -> str:
    """With so many digits that small ones can be told apart."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"
