"""What a push service's reply means, as a table: the first rule that fits decides.

Each rule says how sure we are of it: S its source code or official document, C its own client's code, R
reports from the field, ? a guess. To switch a rule off, delete its line: a broader one below it takes over.
"""

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from gateway.webpush.endpoint import Provider
from gateway.webpush.transport import Reply

MAX_REASON: Final = 200
MAX_RETRY_AFTER: Final = 30 * 86_400_000  # a month: no TTL is longer


class Answer(StrEnum):
    ACCEPTED = "accepted"  # the push service took the message (RFC 8030, section 5)
    GONE = "gone"  # the subscription will never work again
    THROTTLED = "throttled"  # too much for now: obey Retry-After
    UNAVAILABLE = "unavailable"  # the push service or the way to it is out of order
    UNAUTHORIZED = "unauthorized"  # our key, contact or clock is wrong, not the subscriber
    TOO_LARGE = "too_large"  # the message's fault, not the subscriber's
    REJECTED = "rejected"  # any other refusal of the request
    NOT_THERE = "not_there"  # what was to be deleted has been delivered, or forgotten

    @property
    def retryable(self) -> bool:
        """Whether the same request can succeed later."""
        return self in (Answer.THROTTLED, Answer.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One reply, judged. `status` is 0 and the answer UNAVAILABLE when none arrived.

    `retry_after_ms` is how long the push service asks us to wait. `reason` is one line for people, at most
    200 characters, without endpoints or tokens; empty when accepted.
    """

    answer: Answer
    status: int
    retry_after_ms: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Replies from `first` to `last` of `provider` (None: all), saying `says`, with WNS's own status
    `wns_status`.
    """

    answer: Answer
    first: int
    last: int
    evidence: str
    meaning: str
    provider: Provider | None = None
    says: str = ""  # part of the body, whatever its case
    wns_status: str = ""  # of X-WNS-NotificationStatus; "*" is any

    def fits(self, provider: Provider, status: int, body: str, wns_status: str) -> bool:
        return (
            self.first <= status <= self.last
            and self.provider in (None, provider)
            and self.says.lower() in body.lower()
            and (
                not self.wns_status
                or wns_status == self.wns_status
                or (self.wns_status == "*" and wns_status != "")
            )
        )


RULES: Final = (
    Rule(Answer.ACCEPTED, 200, 202, "S", "", Provider.WNS, wns_status="received"),
    Rule(
        Answer.THROTTLED,
        200,
        202,
        "S",
        "WNS throttles this channel",
        Provider.WNS,
        wns_status="channelthrottled",
    ),
    Rule(Answer.REJECTED, 200, 202, "S", "WNS dropped the message", Provider.WNS, wns_status="*"),
    Rule(Answer.ACCEPTED, 200, 202, "S", ""),
    Rule(Answer.ACCEPTED, 203, 299, "?", ""),  # RFC 9110, section 15: an unknown status is as its class
    Rule(Answer.REJECTED, 300, 399, "S", "redirects are not followed"),
    Rule(Answer.TOO_LARGE, 400, 400, "R", "the message is too large", Provider.FCM, says="4096 bytes"),
    Rule(
        Answer.UNAUTHORIZED,
        400,
        400,
        "R",
        "another key than subscribed with",
        Provider.APPLE,
        says="VapidPkHashMismatch",
    ),
    Rule(Answer.REJECTED, 400, 400, "S", "the push service finds fault with the request"),
    Rule(Answer.UNAUTHORIZED, 401, 401, "S", "the key or its token is refused"),
    Rule(Answer.UNAUTHORIZED, 403, 403, "S", "the key or its token is refused"),
    Rule(Answer.GONE, 404, 404, "S", "the subscription does not exist"),
    Rule(Answer.THROTTLED, 406, 406, "S", "WNS throttles this channel", Provider.WNS),
    Rule(Answer.UNAVAILABLE, 408, 408, "?", "the push service gave up waiting for the request"),
    Rule(Answer.GONE, 410, 410, "S", "the subscription has ended"),
    Rule(Answer.TOO_LARGE, 413, 413, "S", "the message is too large"),
    Rule(Answer.THROTTLED, 429, 429, "S", "too many messages"),
    Rule(Answer.UNAVAILABLE, 500, 599, "S", "the push service is out of order"),
    Rule(Answer.REJECTED, 100, 999, "?", "an answer that push services do not give"),
)

# Said most of the time and always the same, therefore made once.
_TAKEN: Final = {status: Verdict(Answer.ACCEPTED, status) for status in (200, 201, 202)}
_LONG_WORD = re.compile(r"https?://\S+|\S{65,}")


def classify(
    provider: Provider,
    reply: Reply,
    now_at: int,
    rules: tuple[Rule, ...] = RULES,
    *,
    method: str = "POST",
) -> Verdict:
    """Judge a reply to a push, or to the DELETE of one. A date in Retry-After counts from `now_at`,
    milliseconds since the epoch.
    """
    if provider is not Provider.WNS and (taken := _TAKEN.get(reply.status)) is not None:
        return taken
    if reply.status == 0:
        return Verdict(Answer.UNAVAILABLE, 0, None, _line(f"no answer: {reply.error}"))
    if method == "DELETE" and reply.status in (404, 410):  # says nothing of the subscription
        return Verdict(Answer.NOT_THERE, reply.status)
    body = reply.body.decode("utf-8", "replace")
    if method == "DELETE" and reply.status in (401, 403):  # it is not signed: says nothing of the key
        return Verdict(Answer.REJECTED, reply.status, None, _line(f"the deletion is refused: {body}"))
    wns_status = _wns_status(reply) if provider is Provider.WNS else ""
    rule = next(rule for rule in rules if rule.fits(provider, reply.status, body, wns_status))
    if rule.answer is Answer.ACCEPTED:
        return Verdict(Answer.ACCEPTED, reply.status)
    wait = parse_retry_after(reply.header("Retry-After"), now_at) if rule.answer.retryable else None
    said = " ".join(part for part in (wns_status, reply.header("X-WNS-Error-Description"), body) if part)
    return Verdict(
        rule.answer, reply.status, wait, _line(f"{rule.meaning}: {said}" if said.strip() else rule.meaning)
    )


def parse_retry_after(text: str | None, now_at: int) -> int | None:
    """Milliseconds to wait by a Retry-After field (RFC 9110, section 10.2.3): seconds or a date; None if
    unreadable.
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(int(text[:12]) * 1000, MAX_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(int(until * 1000) - now_at, 0), MAX_RETRY_AFTER)


def _wns_status(reply: Reply) -> str:
    return (reply.header("X-WNS-NotificationStatus") or reply.header("X-WNS-Status") or "").lower()


def _line(text: str) -> str:
    """One printable line. Whatever might be an endpoint or a token is cut out: reasons end up in logs and
    answers.
    """
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(_LONG_WORD.sub("…", printable).split())[:MAX_REASON]
