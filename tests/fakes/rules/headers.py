"""The request headers of RFC 8030 and RFC 8291, read strictly."""

import re

from tests.fakes.rules import Push

MAX_BODY = 4096
URGENCIES = ("very-low", "low", "normal", "high")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")


def ttl(push: Push) -> int | None:
    """Seconds (RFC 8030 section 5.2); None when missing or not a decimal number."""
    text = push.header("TTL")
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def topic_is_valid(push: Push) -> bool:
    """RFC 8030 section 5.4: absent, or at most 32 characters of base64url."""
    return "Topic" not in push.headers or _TOPIC.fullmatch(push.header("Topic")) is not None


def urgency_is_valid(push: Push) -> bool:
    """RFC 8030 section 5.3."""
    return "Urgency" not in push.headers or push.header("Urgency") in URGENCIES


def encoding_is_valid(push: Push) -> bool:
    """RFC 8291: a body is aes128gcm, and carries its parameters in itself, not in headers of older drafts."""
    if not push.body:
        return True
    older_drafts = "dh=" in push.header("Crypto-Key") or "salt=" in push.header("Encryption")
    return push.header("Content-Encoding") == "aes128gcm" and not older_drafts
