"""One push, made: rendered, encrypted and addressed. The most expensive function of the gateway."""

from typing import NamedTuple

from gateway.campaigns.personal import RenderFailed
from gateway.campaigns.withdrawal import TTL
from gateway.delivery.flight import Flight, Member
from gateway.delivery.key_ring import KeyRing
from gateway.delivery.line import SiteWindow
from gateway.logs import Log, redact_endpoint
from gateway.outgoing import NotARecipient
from gateway.tokens import issue_event_token
from gateway.webpush import (
    InvalidEndpoint,
    Origin,
    PayloadTooLarge,
    PushHosts,
    PushRequest,
    RequestHeaders,
    encrypt,
    parse_endpoint,
)
from storage.deliveries import Outcome, SkipReason

log = Log(__name__)


# What is remembered of a push until its reply comes: when it was posted (monotonic seconds), and the window
# of its site if it had one. A tuple, because half a million of them a minute are made.
Posted = tuple[Flight, Member, float, SiteWindow | None]


# Who has the address may delete it (RFC 8030 section 6.2): no token. libcurl would add a type to no body.
_DELETION = ["Content-Type:"]


class NotSent(NamedTuple):
    """Why a push could not even be made: the outcome of its delivery."""

    outcome: Outcome
    reason: str


class RequestMaker:
    """Makes the requests of one sender process."""

    def __init__(self, hosts: PushHosts, headers: RequestHeaders, key_ring: KeyRing) -> None:
        self._hosts = hosts
        self._headers = headers
        self._key_ring = key_ring

    def make(self, flight: Flight, member: Member, context: Posted) -> PushRequest | NotSent:
        """The request to one member of a flight, with `context` for whoever gets the reply."""
        subscription_id, _, endpoint, p256dh, auth, key_id, _, _, external_id, _ = member
        batch = flight.batch
        try:
            origin = self._hosts.origin(endpoint)
            if flight.locations and subscription_id in flight.locations:
                deletion = self._deletion(flight.locations[subscription_id], origin, context)
                if deletion is not None:
                    return deletion
            lines = flight.header_lines.get((key_id, origin.text)) or self._lines(flight, key_id, origin)
            token = issue_event_token(
                flight.event_key,
                batch.site_id,
                batch.message_id,
                subscription_id,
                batch.variant,
                flight.started_at,
            )
            visitor = flight.visitors.get(subscription_id) if flight.visitors else None
            body = encrypt(flight.outgoing.render(token, external_id, batch.variant, visitor), p256dh, auth)
            if flight.outgoing.is_dry_run:
                return NotSent(Outcome.SKIPPED, SkipReason.DRY_RUN)
        except InvalidEndpoint as exc:  # the operator has taken the host off the list since
            return NotSent(Outcome.REJECTED, str(exc))
        except PayloadTooLarge as exc:
            return NotSent(Outcome.TOO_LARGE, str(exc))
        except (NotARecipient, RenderFailed) as exc:
            return NotSent(Outcome.RENDER_FAILED, str(exc))
        except Exception as exc:  # one recipient's data must not stop the others, nor be lost in silence
            if not flight.complained:  # what is wrong with one is mostly wrong with all: one line a batch
                flight.complained = True
                log.error(
                    "push.render_failed",
                    message_id=batch.message_id,
                    subscription_id=subscription_id,
                    endpoint=redact_endpoint(endpoint),
                    cause=exc,
                )
            return NotSent(Outcome.RENDER_FAILED, type(exc).__name__)
        return PushRequest(endpoint, origin, lines, body, context)

    def _deletion(self, location: str, origin: Origin, context: Posted) -> PushRequest | None:
        """Takes back what is kept at `location`; None when that is no place of the same push service."""
        try:
            kept = parse_endpoint(location, self._hosts)
        except InvalidEndpoint:
            return None
        if kept.provider is not origin.provider:
            return None
        return PushRequest(kept.url, kept.origin, _DELETION, b"", context, "DELETE")

    def _lines(self, flight: Flight, key_id: int, origin: Origin) -> list[str]:
        key, outgoing = self._key_ring.get(flight.keys[key_id]), flight.outgoing
        ttl = flight.ttl if outgoing.withdraws is None else TTL
        urgency, topic = outgoing.options.urgency, outgoing.topic
        lines = self._headers.get(key, flight.contact, origin, ttl, urgency, topic)
        flight.header_lines[key_id, origin.text] = lines
        return lines
