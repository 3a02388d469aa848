"""What each variant shows, in each language, and what a message shows once a variant is chosen for good."""

import json
from typing import Any

import pytest
from msgspec import json as msgspec_json
from msgspec.structs import replace

from gateway.campaigns.rules import Rules, write_rules
from gateway.campaigns.stages import once_more
from gateway.content import Content, Notification, Options, PartialNotification, write_content
from gateway.outgoing import Outgoing
from storage.batches import BULK
from storage.messages import Message, Priority
from storage.subscription import VisitorRow

CONTENT = Content(
    Notification("Sale", body="Ends tonight", data={"n": 1}),
    Options(),
    translations={
        "de": PartialNotification(title="Ausverkauf", body="Nur heute", data={"l": "de"}),
        "fr": PartialNotification(title="Soldes"),
    },
)
OPTIONS: list[dict[str, Any]] = [
    {"name": "A", "weight": 50},
    {
        "name": "B",
        "weight": 50,
        "notification": {"title": "Last hours", "data": {"v": "b"}},
        "translations": {"de": {"title": "Letzte Stunden"}},
    },
]


def rules(**given: Any) -> Rules:
    return msgspec_json.decode(msgspec_json.encode(given), type=Rules)


def shown(content: Content, rules: Rules, variant: int, language: str | None) -> Any:
    """The notification that a visitor of this language finds in the payload."""
    message = Message(
        id=1,
        site_id=2,
        priority=Priority.BULK,
        lane=BULK,
        content=write_content(content),
        audience_spec='{"all": true}',
        ttl=60,
        send_at=0,
        created_at=0,
        rules=write_rules(rules),
    )
    visitor = VisitorRow(7, language)
    rendered = Outgoing(message, "https://push.example.net").render("t" * 60, None, variant, visitor)
    return json.loads(rendered)["n"]


@pytest.mark.parametrize(
    ("variant", "language", "notification"),
    [
        (0, None, {"title": "Sale", "body": "Ends tonight", "data": {"n": 1}}),
        (0, "de-AT", {"title": "Ausverkauf", "body": "Nur heute", "data": {"n": 1, "l": "de"}}),
        (1, None, {"title": "Last hours", "body": "Ends tonight", "data": {"n": 1, "v": "b"}}),
        (1, "fr", {"title": "Last hours", "body": "Ends tonight", "data": {"n": 1, "v": "b"}}),
        (1, "de", {"title": "Letzte Stunden", "body": "Nur heute", "data": {"n": 1, "l": "de", "v": "b"}}),
    ],
)
def test_each_variant_is_shown_in_each_language(
    variant: int, language: str | None, notification: Any
) -> None:
    assert shown(CONTENT, rules(variants={"options": OPTIONS}), variant, language) == notification


@pytest.mark.parametrize("language", [None, "de", "fr", "it"])
@pytest.mark.parametrize("winner", [0, 1, None])
def test_once_more_everybody_gets_what_the_rest_got(winner: int | None, language: str | None) -> None:
    waits = rules(variants={"options": OPTIONS, "winner": {"sample": 10, "after": 60, "default": "B"}})
    content, settled = once_more(CONTENT, waits, winner)
    assert settled == Rules()
    variant = 1 if winner is None else winner
    assert shown(content, settled, 0, language) == shown(CONTENT, waits, variant, language)


def test_once_more_nobody_is_held_back_or_held_out() -> None:
    asked = rules(
        variants={"options": OPTIONS, "holdout": 10},
        rollout={"first": 10, "then": "manual"},
        auto_pause={"failure_rate": 0.1},
    )
    assert asked.variants is not None
    expected = replace(asked, rollout=None, variants=replace(asked.variants, holdout=0))
    assert once_more(CONTENT, asked, None) == (CONTENT, expected)
