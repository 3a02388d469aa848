"""Withdrawing: what makes it possible, and what whoever a withdrawal still reaches is shown instead.

Pushes that wait at a push service are replaced by a later one on the same Topic (RFC 8030 section 5.4), or
deleted where they are kept (section 6.2). What arrives all the same has to be shown: browsers allow no
silence.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from gateway.campaigns.rules import Rules
from gateway.content import Content, Notification, Options, PartialNotification, holds_liquid
from gateway.errors import FieldError

WITHDRAWN: Final = "This message has been withdrawn"
TTL: Final = 1  # second: to those who are connected, and in the place of what waits for the others
NOT_OFFERED: Final = frozenset({"apple"})  # shows each push, and withdraws permission for those without news
DELETES: Final = "mozilla"  # the one that keeps a push under an address of its own until it is delivered

_ONE_TAG = "All of a message that may be withdrawn have the same tag: the fallback takes the place of it."
_TITLE: Final = 200


def topic_of(message_id: int, options: Options, rules: Rules) -> str | None:
    """That of a message's pushes: its own, or for one that may be withdrawn one that no other message has."""
    if options.topic is not None or not rules.withdrawable:
        return options.topic
    # 24 characters: Apple refuses what is no whole base64url.
    return urlsafe_b64encode(b"withdrawal" + message_id.to_bytes(8, "big", signed=True)).decode()


def withdrawing(content: Content, topic: str | None, origin: str) -> Content:
    """What the withdrawal of a message shows: its fallback, in the place of the message. Without one it says

    that the site (`origin`, as in the header) has withdrawn it.
    """
    host = urlsplit(origin).hostname or origin
    instead = content.fallback or Notification(title=host[:_TITLE], body=WITHDRAWN)
    return Content(
        replace(instead, tag=content.notification.tag),
        Options(ttl=TTL, urgency=content.options.urgency, topic=topic),
        utm=content.utm,
    )


def check_withdrawable(content: Content, rules: Rules) -> list[FieldError]:
    """What types cannot say."""
    if not rules.withdrawable:
        return []
    tag = content.notification.tag
    errors = [FieldError("notification.tag", _ONE_TAG)] if tag is not UNSET and holds_liquid(tag) else []
    errors += _other_tags(content.translations.items(), tag, "translations.{}.tag")
    for index, option in enumerate(rules.variants.options if rules.variants else ()):
        path = f"variants.options[{index}]"
        errors += _other_tags([("", option.notification)], tag, f"{path}.notification.tag")
        errors += _other_tags(option.translations.items(), tag, f"{path}.translations.{{}}.tag")
    return errors


def _other_tags(
    parts: Iterable[tuple[str, PartialNotification]], tag: str | UnsetType, path: str
) -> list[FieldError]:
    return [
        FieldError(path.format(name), _ONE_TAG)
        for name, part in parts
        if part.tag is not UNSET and part.tag != tag
    ]
