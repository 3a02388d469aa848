"""One attempt to deliver: signed, POSTed, and what its answer means."""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.clock import Clock
from gateway.context import Context
from gateway.master_key import MasterKey
from gateway.outbound import InvalidTarget, Outbound, OutboundFailed, parse_target
from gateway.webhooks.signing import sign
from storage.ids import Kind, encode_id
from storage.webhooks import Webhook

GONE = 410
LONGEST_RETRY_AFTER = 3_600  # seconds: longer ones are no reason to wait longer


class Verdict(NamedTuple):
    taken: bool
    gone: bool = False  # the receiver wants no more of any
    status: int | None = None
    error: str | None = None  # a sentence
    retry_after: int = 0  # seconds


async def attempt(
    context: Context, outbound: Outbound, webhook: Webhook, delivery_id: int, body: str
) -> Verdict:
    """Never raises for what a receiver does. SealedValueUnreadable: another master key."""
    content = body.encode()
    headers = _headers(context.master_key, context.clock, webhook, delivery_id, content)
    try:
        target = parse_target(webhook.url, context.settings.outbound_private)
        answer = await outbound.request("POST", target, headers=headers, body=content)
    except InvalidTarget as exc:
        return Verdict(False, error=str(exc))
    except OutboundFailed as exc:
        return Verdict(False, error=exc.sentence)
    return judge(answer.status, answer.headers)


def judge(status: int, headers: Mapping[str, str]) -> Verdict:
    """Only 2xx is taken; 410 is a no for good; redirects are not followed."""
    if 200 <= status < 300:
        return Verdict(True, status=status)
    if status == GONE:
        return Verdict(False, True, status, "The receiver answered 410 Gone: it wants no more.")
    if 300 <= status < 400:
        error = f"The receiver answered {status}: redirects are not followed, give the URL they lead to."
        return Verdict(False, False, status, error)
    wait = headers.get("Retry-After", "")
    seconds = min(int(wait), LONGEST_RETRY_AFTER) if wait.isascii() and wait.isdigit() else 0
    return Verdict(False, False, status, f"The receiver answered {status}.", seconds)


def seal_context(webhook_id: int) -> str:
    """A sealed secret copied to another webhook's row does not open there."""
    return f"secret of webhook {webhook_id}"


def _headers(
    master_key: MasterKey, clock: Clock, webhook: Webhook, delivery_id: int, body: bytes
) -> dict[str, str]:
    sealed = [webhook.sealed_secret]
    if webhook.sealed_old_secret is not None and clock.now() < (webhook.old_secret_until or 0):
        sealed.append(webhook.sealed_old_secret)
    keys = [master_key.open(each, seal_context(webhook.id)) for each in sealed]
    id, timestamp = encode_id(Kind.DELIVERY, delivery_id), clock.now() // 1_000
    return {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(keys, id, timestamp, body),
    }
