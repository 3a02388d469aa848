"""Partial notifications, languages and links of a message."""

import pytest

from gateway.campaigns.utm import Utm, utm_pairs
from gateway.content import (
    Action,
    Notification,
    PartialNotification,
    find_language,
    languages_of,
    merge_notification,
    with_utm,
)

SALE = Notification(
    "Sale",
    body="Ends tonight",
    url="https://example.com/sale",
    actions=(Action("buy", "Buy"), Action("later", "Later", url="https://example.com/{{ external_id }}")),
    data={"shop": 1, "lang": "en"},
)


def test_a_part_replaces_what_it_names_and_adds_its_data() -> None:
    part = PartialNotification(title="Ausverkauf", silent=True, data={"lang": "de"})
    merged = merge_notification(SALE, part)
    assert (merged.title, merged.body, merged.silent) == ("Ausverkauf", "Ends tonight", True)
    assert merged.data == {"shop": 1, "lang": "de"}
    assert merged.actions == SALE.actions
    assert merge_notification(SALE, PartialNotification()) == SALE
    assert merge_notification(SALE, PartialNotification(actions=())).actions == ()


@pytest.mark.parametrize(
    ("language", "key"),
    [
        ("pt-BR", "pt-BR"),
        ("pt-br", "pt-BR"),
        ("PT-PT", "pt"),
        ("zh-Hans-CN", "zh-Hans"),
        ("de", None),
        ("p", None),
        (None, None),
    ],
)
def test_a_visitor_gets_the_closest_language_there_is(language: str | None, key: str | None) -> None:
    keys = languages_of({"pt-BR": 1, "pt": 2, "zh-Hans": 3})
    assert find_language(keys, language) == key


def test_links_that_are_no_templates_get_parameters_at_once() -> None:
    linked = with_utm(SALE, utm_pairs(Utm(source="push")))
    assert linked.url == "https://example.com/sale?utm_source=push"
    assert [action.url for action in linked.actions] == [action.url for action in SALE.actions]
    assert with_utm(Notification("Hi"), utm_pairs(Utm(source="push"))) == Notification("Hi")
