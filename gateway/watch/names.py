"""The names of alerts. They are in the API and anchors of docs/runbook.md: never reworded."""

OPEN_FILES = "open_files"
DISPLAY_RATE = "display_rate"
CLICK_RATE = "click_rate"
FAILURE_RATE = "failure_rate"
PRUNE_RATE = "prune_rate"
LATENCY = "latency"
BEACONS_MISSING = "beacons_missing"
CLOCK = "clock"
CERTIFICATE = "certificate"
WEBHOOK_LAG = "webhook_lag"
WEBHOOK_DEAD = "webhook_dead"
QUOTA = "quota"
SENDERS = "senders"

NAMES = (
    OPEN_FILES, DISPLAY_RATE, CLICK_RATE, FAILURE_RATE, PRUNE_RATE, LATENCY, BEACONS_MISSING, CLOCK,
    CERTIFICATE, WEBHOOK_LAG, WEBHOOK_DEAD, QUOTA, SENDERS,
)  # fmt: skip
