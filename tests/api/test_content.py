"""What messages show: Liquid, translations, fallback and UTM, as an admin asks for them."""

from typing import Any

import pytest

from tests.api.conftest import NEW_MESSAGE, Api

SALE = {
    "title": "Hello {{ attributes.name | default: 'there' }}",
    "url": "https://example.com/{{ language }}",
}


async def problem(api: Api, site: str, **fields: Any) -> list[dict[str, str]]:
    answer = await api.post(f"/v1/sites/{site}/messages", {**NEW_MESSAGE, **fields}, 400)
    errors: list[dict[str, str]] = answer["errors"]
    return errors


async def test_a_personal_message_is_shown_as_it_was_asked_for(api: Api, site: str) -> None:
    asked = {
        "notification": SALE,
        "translations": {
            "de": {"title": "Hallo {{ attributes.name }}"},
            "pt-BR": {"url": "https://example.com/pt"},
        },
        "fallback": {"title": "Hello"},
        "utm": {"source": "push", "campaign": "sale"},
    }
    made = await api.new_message(site, **asked)
    assert {name: made[name] for name in asked} == {
        **asked,
        "utm": {"source": "push", "campaign": "sale"},
    }
    assert await api.get(f"/v1/sites/{site}/messages/{made['id']}") == made


async def test_a_message_without_any_of_it_says_so(api: Api, site: str) -> None:
    made = await api.new_message(site)
    assert (made["translations"], made["fallback"], made["utm"]) == ({}, None, None)


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        ({"notification": {"title": "Hi {{ attributes.name"}}, "notification.title", "Line 1: expected '}}'"),
        ({"notification": {"title": "Hi", "body": "a\n{{ x }}"}}, "notification.body", "Line 2: "),
        ({"notification": {"title": "Hi", "url": "ftp://x/{{ language }}"}}, "notification.url", "http"),
        ({"notification": {"title": "Hi", "url": "/{{ language }}"}}, "notification.url", "http"),
        (
            {"notification": {"title": "Hi", "data": {"a": [{"b": "{{ shout | }}"}]}}},
            "notification.data.a[0].b",
            "Line 1: ",
        ),
        (
            {"notification": {"title": "Hi", "actions": [{"action": "{{ language }}", "title": "A"}]}},
            "notification.actions[0].action",
            "counted",
        ),
        (
            {"notification": {"title": "Hi", "actions": [{"action": "a", "title": "{% if %}"}]}},
            "notification.actions[0].title",
            "Line 1: ",
        ),
        ({"translations": {"de": {"body": "{{ language | x }}"}}}, "translations.de.body", "filter `x`"),
        ({"translations": {"de": {"title": "a"}, "DE": {"title": "b"}}}, "translations.de", "more than once"),
        ({"fallback": {"title": "Hi {{ external_id }}"}}, "fallback.title", "none"),
        ({"fallback": {"title": "Hi", "url": "https://e.com:x/"}}, "fallback.url", "no host"),
        ({"notification": {"title": "Hi", "icon": "https://[::1"}}, "notification.icon", "no host"),
        ({"translations": {"de": {"url": "http://e.com:70000/"}}}, "translations.de.url", "no host"),
        (
            {"notification": {"title": "Hi", "actions": [{"action": "a", "title": "A", "url": "https://?"}]}},
            "notification.actions[0].url",
            "no host",
        ),
        (
            {"notification": {"title": "Hi", "url": "https://e.com/a b/{{ external_id }}"}},
            "notification.url",
            "no blanks",
        ),
        (
            {"translations": {"de": {"icon": "https://e.com/{{ data.x }}\n"}}},
            "translations.de.icon",
            "no blanks",
        ),
        ({"notification": {"title": "Hi {{ 'now' | date: '%Y' }}"}}, "notification.title", "for nobody"),
        ({"notification": {"title": "Hi {{ 1 | divided_by: 0 }}"}}, "notification.title", "for nobody"),
        (
            {"notification": {"title": "Hi", "body": "{% for a in (1..99999999) %}a{% endfor %}"}},
            "notification.body",
            "for nobody",
        ),
        (
            {"translations": {"de": {"body": "{% for a in (1..99999999) %}a{% endfor %}"}}},
            "translations.de.body",
            "for nobody",
        ),
        ({"utm": {"source": ""}}, "utm.source", "must not be empty"),
        ({"translations": {"not a language": {}}}, "translations", "language tag"),
    ],
)
async def test_a_text_that_is_wrong_is_refused_with_its_place(
    api: Api, site: str, fields: dict[str, Any], path: str, message: str
) -> None:
    [error] = await problem(api, site, **fields)
    assert error["path"].startswith(path)
    assert message in error["message"]


async def test_each_language_and_the_fallback_are_measured(api: Api, site: str) -> None:
    long = {"title": "Hi", "data": {"x": "y" * 3_990}}
    for fields in (
        {"notification": {**long, "body": "{{ attributes.a }}"}},
        {"translations": {"de": {"data": long["data"]}}},
        {"translations": {"de": {"body": "{{ language }}", "data": long["data"]}}},
        {"fallback": long},
    ):
        answer = await api.post(f"/v1/sites/{site}/messages", {**NEW_MESSAGE, **fields}, 413)
        assert answer["code"] == "payload_too_large"
        assert answer["bytes_over"] > 0


async def test_a_change_replaces_what_it_names_and_null_takes_it_away(api: Api, site: str) -> None:
    made = await api.new_message(
        site,
        send_at="2026-12-01T09:00:00Z",
        translations={"de": {"title": "Hallo"}},
        fallback={"title": "Hello"},
        utm={"source": "push"},
    )
    path = f"/v1/sites/{site}/messages/{made['id']}"
    changed = await api.patch(path, {"translations": {"fr": {"title": "Salut"}}})
    assert changed["translations"] == {"fr": {"title": "Salut"}}
    assert (changed["fallback"], changed["utm"]) == (made["fallback"], made["utm"])
    changed = await api.patch(path, {"translations": None, "fallback": None, "utm": None})
    assert (changed["translations"], changed["fallback"], changed["utm"]) == ({}, None, None)
    refused = await api.patch(path, {"notification": {"title": "{{ x"}}, 400)
    assert refused["errors"][0]["path"] == "notification.title"


async def test_a_message_takes_its_sites_utm_parameters_as_they_are_now(api: Api, site: str) -> None:
    await api.patch(f"/v1/sites/{site}", {"settings": {"utm": {"source": "push", "medium": "web"}}})
    made = await api.new_message(site, send_at="2026-12-01T09:00:00Z", utm={"medium": "app", "term": "hat"})
    assert made["utm"] == {"source": "push", "medium": "app", "term": "hat"}
    plain = await api.new_message(site)
    assert plain["utm"] == {"source": "push", "medium": "web"}
    await api.patch(f"/v1/sites/{site}", {"settings": {"utm": None}})
    assert (await api.get(f"/v1/sites/{site}/messages/{made['id']}"))["utm"] == made["utm"]
    assert (await api.new_message(site))["utm"] is None
