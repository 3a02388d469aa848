"""What a message shows: the types that check it, and its JSON as `messages.content` stores it.

Texts may hold Liquid (gateway.campaigns.personal), so a URL is one, or becomes one.

Fields are the Notifications API's in our spelling. Limits are generous where browsers cut by themselves,
because the size of the whole payload is what counts (gateway.payload).
"""

from collections.abc import Mapping
from re import compile as compile_pattern
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType, json
from msgspec.structs import replace

from gateway.campaigns.utm import Pairs, Utm, add_utm
from gateway.subscription_fields import Language
from gateway.webpush import MAX_TOPIC, MAX_TTL, Urgency
from storage.messages import Message

DEFAULT_TTL: Final = 3 * 24 * 3_600  # seconds; zero, the default of most libraries, loses who is offline

# White space and control characters have no place in a URL; browsers would drop some of them in silence.
_HTTP_URL: Final = "^https?://[^\\s\\u0000-\\u0020\\u007f/][^\\s\\u0000-\\u0020\\u007f]*(?!\\n)$"
_URL: Final = f"{_HTTP_URL}|\\{{[{{%]"  # or a template of one
_MAX_URL: Final = 2048
Url = Annotated[str, Meta(max_length=_MAX_URL, pattern=_URL, description="http or https.")]
ClickUrl = Annotated[
    str,
    Meta(
        max_length=_MAX_URL, pattern=_URL, description="Opened by a click; without it the site's start page."
    ),
]
Tag = Annotated[
    str,
    Meta(min_length=1, max_length=128, description="Replaces one with the same tag; else the message's id."),
]
Topic = Annotated[
    str,
    Meta(
        max_length=MAX_TOPIC,
        pattern="^[A-Za-z0-9_-]+(?!\\n)$",
        description="Replaces a waiting message of the same topic. Its length % 4 is never 1.",
    ),
]


class Action(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A button. Without a URL of its own it opens the notification's."""

    action: Annotated[str, Meta(min_length=1, max_length=64, description="Its name in click events.")]
    title: Annotated[str, Meta(min_length=1, max_length=100)]
    url: Url | UnsetType = UNSET
    icon: Url | UnsetType = UNSET


Title = Annotated[str, Meta(min_length=1, max_length=200)]
Body = Annotated[str, Meta(max_length=3000)]
Actions = Annotated[tuple[Action, ...], Meta(max_length=2, description="Browsers show two.")]


class Notification(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    title: Title
    body: Body | UnsetType = UNSET
    url: ClickUrl | UnsetType = UNSET
    icon: Url | UnsetType = UNSET
    image: Url | UnsetType = UNSET
    badge: Url | UnsetType = UNSET
    tag: Tag | UnsetType = UNSET
    actions: Actions = ()
    require_interaction: bool = False
    silent: bool = False
    data: Annotated[dict[str, Any], Meta(description="For the site's own scripts.")] = {}


class PartialNotification(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What differs from a message's notification; `data` is merged by name, all else replaces."""

    title: Title | UnsetType = UNSET
    body: Body | UnsetType = UNSET
    url: ClickUrl | UnsetType = UNSET
    icon: Url | UnsetType = UNSET
    image: Url | UnsetType = UNSET
    badge: Url | UnsetType = UNSET
    tag: Tag | UnsetType = UNSET
    actions: Actions | UnsetType = UNSET
    require_interaction: bool | UnsetType = UNSET
    silent: bool | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET


def merge_notification(notification: Notification, partial: PartialNotification) -> Notification:
    """The notification with what `partial` says instead."""
    names = partial.__struct_fields__
    given = {name: value for name in names if (value := getattr(partial, name)) is not UNSET}
    if "data" in given:
        given["data"] = {**notification.data, **given["data"]}
    return replace(notification, **given)


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """How push services are to treat it (RFC 8030 section 5)."""

    ttl: Annotated[int, Meta(ge=1, le=MAX_TTL, description="Seconds; 3 days when not given.")] = DEFAULT_TTL
    urgency: Urgency = Urgency.NORMAL
    topic: Topic | None = None


def holds_liquid(text: str) -> bool:
    """Whether it is a template: it may say something else to each recipient."""
    return "{{" in text or "{%" in text


def is_http_url(text: str) -> bool:
    """Whether it is what a field for a URL takes that is no template."""
    return len(text) <= _MAX_URL and _http_url(text) is not None


def with_utm(notification: Notification, pairs: Pairs) -> Notification:
    """Its links that are no templates with these parameters; the others get them when they are rendered."""

    def link(url: str | UnsetType) -> str | UnsetType:
        return url if url is UNSET or holds_liquid(url) else add_utm(url, pairs)

    if not pairs:
        return notification
    actions = tuple(replace(action, url=link(action.url)) for action in notification.actions)
    return replace(notification, url=link(notification.url), actions=actions)


def languages_of(translations: Mapping[str, object]) -> Mapping[str, str]:
    """What `find_language` looks in."""
    return {key.lower(): key for key in translations}


def find_language(keys: Mapping[str, str], language: str | None) -> str | None:
    """Which of `keys` (by lower case) fits a visitor's tag: pt-BR, else pt, else None (RFC 4647 3.4)."""
    if language is None:
        return None
    wanted = language.lower()
    while wanted not in keys and "-" in wanted:
        wanted = wanted.rpartition("-")[0]
    return keys.get(wanted)


Translations = Annotated[
    dict[Language, PartialNotification],
    Meta(max_length=50, description="What differs for visitors of these languages: de, pt-BR."),
]


class Content(Struct, frozen=True, omit_defaults=True):
    """`utm` is what its links get: the message's own over the site's, as they were when it was made.

    `valid_until`: milliseconds since the epoch. `expires_at`: what was asked for beside it, of which the
    message's own is the earlier one.
    """

    notification: Notification
    options: Options
    translations: Mapping[str, PartialNotification] = {}
    fallback: Notification | None = None
    utm: Utm | None = None
    valid_until: int | None = None
    expires_at: int | None = None


_http_url = compile_pattern(_HTTP_URL).match
_DECODER = json.Decoder(Content)
_ENCODER = json.Encoder()


def read_content(message: Message) -> Content:
    """What `write_content` stored."""
    return _DECODER.decode(message.content)


def write_content(content: Content) -> str:
    return _ENCODER.encode(content).decode()
