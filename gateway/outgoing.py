"""Messages made ready for sending: parsed and encoded once, then rendered for each recipient."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from msgspec import UNSET, DecodeError, json

from gateway.audience import read_audience, uploaded_list
from gateway.campaigns.frequency import FrequencyCap
from gateway.campaigns.personal import Person, RenderFailed
from gateway.campaigns.plan import quiet_hours_of
from gateway.campaigns.quiet_hours import Quiet
from gateway.campaigns.rules import Rules, read_rules
from gateway.campaigns.utm import utm_pairs
from gateway.campaigns.withdrawal import topic_of
from gateway.content import (
    Content,
    Notification,
    Options,
    find_language,
    holds_liquid,
    languages_of,
    merge_notification,
    read_content,
    with_utm,
)
from gateway.payload import EVENT_TOKEN_LENGTH, PayloadTemplate, PersonalTemplate, Validity, make_template
from gateway.site_settings import read_settings
from gateway.webpush import MAX_PLAINTEXT
from storage.messages import Message, MessageKind, Priority
from storage.sites import Site
from storage.subscription import VisitorRow

_decode_data = json.Decoder(dict[str, Any]).decode


class NotARecipient(Exception):
    """A visitor was addressed by an external id and identifies as somebody else since: not their message."""

    def __init__(self) -> None:
        super().__init__("the visitor is not identified as one of the recipients any more")


class Outgoing:
    """What a sender needs of one message.

    Parsed when the first push is rendered, not before: a message that cannot be read then fails its own
    pushes, not the sender that has claimed it among others.
    """

    def __init__(self, message: Message, public_url: str) -> None:
        self._message = message
        self._public_url = public_url
        self._templates: dict[tuple[int, str | None], PayloadTemplate | PersonalTemplate] = {}
        self.size = len(message.content) + len(message.audience_spec)
        self.ttl = message.ttl
        self.expires_at = message.expires_at
        self.started_at = message.started_at or message.created_at
        self.accepted_at = max(message.created_at, message.send_at or 0)
        # The message that it withdraws, in whose place it is shown.
        self.withdraws = message.parent_id if message.kind is MessageKind.WITHDRAWAL else None
        self._shown_as = self.withdraws or message.id

    @cached_property
    def options(self) -> Options:
        return self._content.options

    @cached_property
    def topic(self) -> str | None:
        """Of its pushes: they replace those that wait on the same one."""
        return topic_of(self._message.id, self.options, self._rules)

    @cached_property
    def is_withdrawable(self) -> bool:
        """Whether it is noted where its pushes are kept."""
        return self._rules.withdrawable

    @cached_property
    def is_dry_run(self) -> bool:
        """Whether everything is to be done but the push."""
        return self._rules.dry_run

    def quiet_hours(self, site: Site) -> Quiet | None:
        """Those of its site, as they are now, unless it passes them."""
        return quiet_hours_of(self._message, self._rules, read_settings(site))

    def frequency_cap(self, site: Site) -> FrequencyCap | None:
        """That of its site, as it is now, unless it passes it."""
        if self._message.priority is Priority.TRANSACTIONAL or self.withdraws is not None:
            return None
        return read_settings(site).frequency_cap

    @cached_property
    def category(self) -> str | None:
        """Whoever left it gets nothing of the message."""
        return self._rules.category

    @cached_property
    def _rules(self) -> Rules:
        return read_rules(self._message)

    @cached_property
    def needs_visitors(self) -> bool:
        """Whether `render` asks for more of each recipient than the members of every batch tell."""
        stored = self._message.content + self._message.rules  # not parsed: it may be unreadable
        says_more = "attributes" in stored or "language" in stored
        in_words = '"translations":' in stored or (says_more and holds_liquid(stored))
        return in_words or self.list_id is not None

    @cached_property
    def list_id(self) -> int | None:
        """Of the recipients that were uploaded for it; None, too, when it cannot be read: `render` tells."""
        try:
            return uploaded_list(self._message.audience_spec)
        except DecodeError:
            return None

    def render(
        self,
        event_token: str,
        external_id: str | None,
        variant: int = 0,
        visitor: VisitorRow | None = None,
    ) -> bytes:
        """The plaintext for one recipient.

        Raises NotARecipient; RenderFailed when their texts cannot be made and there is no fallback; msgspec's
        errors when the message cannot be read.
        """
        data = None
        if self._data_of is not None:
            data = self._data_of.get(external_id)
            if data is None:
                raise NotARecipient
        elif self.list_id is not None:
            if visitor is None or visitor.told is None:
                raise NotARecipient
            data = _decode_data(visitor.told)
        if self._common is not None and not data:
            return self._common.render(event_token)
        language = None if visitor is None else visitor[1]
        template = self._common or self._template(variant, find_language(self._languages, language))
        if isinstance(template, PayloadTemplate):
            payload = template.render(event_token, data)
            if len(payload) > MAX_PLAINTEXT and self._fallback is not None:
                return self._fallback.render(event_token)
            return payload
        attributes = None if visitor is None else visitor[3]
        try:
            payload = template.render(event_token, Person(attributes, external_id, language, data))
            if len(payload) > MAX_PLAINTEXT:
                raise RenderFailed("notification", "too large for a push")
        except RenderFailed:
            if self._fallback is None:
                raise
            return self._fallback.render(event_token)
        return payload

    @cached_property
    def _content(self) -> Content:
        return read_content(self._message)

    @cached_property
    def _common(self) -> PayloadTemplate | None:
        """What everybody gets; None when that depends on who they are."""
        stored = self._message.content + self._message.rules
        if self._content.translations or self._rules.variants is not None or holds_liquid(stored):
            return None
        return self._plain(self._content.notification, Validity.of(self._content))

    @cached_property
    def _fallback(self) -> PayloadTemplate | None:
        fallback = self._content.fallback
        return None if fallback is None else self._plain(fallback)

    @cached_property
    def _languages(self) -> Mapping[str, str]:
        return languages_of(self._content.translations)

    def _template(self, variant: int, language: str | None) -> PayloadTemplate | PersonalTemplate:
        """What those get who drew this variant and read this language (a key of `translations`)."""
        template = self._templates.get((variant, language))
        if template is None:
            notification, variants = self._content.notification, self._rules.variants
            if language is not None:
                notification = merge_notification(notification, self._content.translations[language])
            if variants is not None:
                notification = variants.options[variant].over(notification, language)
            message, utm = self._message, utm_pairs(self._content.utm)
            validity = Validity.of(self._content)
            template = make_template(
                self._shown_as, notification, self._public_url, message.priority, validity, utm
            )
            self._templates[variant, language] = template
        return template

    def _plain(self, notification: Notification, validity: Validity | None = None) -> PayloadTemplate:
        linked = with_utm(notification, utm_pairs(self._content.utm))
        return PayloadTemplate(self._shown_as, linked, self._public_url, self._message.priority, validity)

    @cached_property
    def _data_of(self) -> Mapping[str | None, Mapping[str, Any]] | None:
        """Data by external id; None when the message addresses nobody by external id."""
        audience = read_audience(self._message.audience_spec)
        names = audience.named_external_ids
        if names is None:
            return None
        data_of = audience.data_of
        found: dict[str | None, Mapping[str, Any]] = {name: data_of.get(name, {}) for name in names}
        if audience.subscriptions is not UNSET:  # chosen for themselves: they need not be anybody
            found[None] = {}
        return found


def render_for(
    message: Message, public_url: str, visitor: VisitorRow | None, external_id: str | None, variant: int = 0
) -> bytes:
    """The payload that a recipient would get, with an event token as long as real ones that counts nothing.

    Pure. Raises as `Outgoing.render`.
    """
    outgoing = Outgoing(message, public_url)
    return outgoing.render("x" * EVENT_TOKEN_LENGTH, external_id, variant, visitor)
