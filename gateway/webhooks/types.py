"""What a webhook can be told of. The names are stable for ever."""

from enum import StrEnum


class EventType(StrEnum):
    MESSAGE_STARTED = "message.started"
    MESSAGE_PAUSED = "message.paused"
    MESSAGE_RESUMED = "message.resumed"
    MESSAGE_SENT = "message.sent"
    MESSAGE_CANCELLED = "message.cancelled"
    MESSAGE_EXPIRED = "message.expired"
    SUBSCRIPTION_CREATED = "subscription.created"
    SUBSCRIPTION_ENDED = "subscription.ended"
    PUSH_ACCEPTED = "push.accepted"  # one for each recipient: much
    PUSH_FAILED = "push.failed"
    EVENT_DISPLAYED = "event.displayed"
    EVENT_CLICKED = "event.clicked"
    EVENT_CLOSED = "event.closed"
    ALERT_RAISED = "alert.raised"
    ALERT_ENDED = "alert.ended"


TEST = "webhook.test"  # of a test delivery; nobody need want it
