"""Texts that do not fit a pattern are answered with a sentence."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from gateway.api.body import decode_body
from gateway.api.patterns import SENTENCES
from gateway.campaigns.categories import CategoryName
from gateway.campaigns.expressions import Within
from gateway.campaigns.local_time import WallTime
from gateway.campaigns.quiet_hours import TimeOfDay
from gateway.content import ClickUrl, Topic, Url
from gateway.errors import InvalidRequest
from gateway.subscription_fields import ExternalId, Language, Tag
from gateway.visitor import Country


def refused(type: Any, text: str) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        decode_body(msgspec.json.encode({"x": [text]}), msgspec.json.Decoder(dict[str, list[type]]))
    [error] = caught.value.errors
    return error.path, error.message


@pytest.mark.parametrize(
    "type",
    [CategoryName, ClickUrl, Country, ExternalId, Language, Tag, TimeOfDay, Topic, Url, WallTime, Within],
)
def test_no_regular_expression_is_shown(type: Any) -> None:
    _, sentence = refused(type, "\u0001 ?")
    assert sentence.removesuffix(".") in SENTENCES.values()


def test_the_field_is_named_beside_the_sentence() -> None:
    assert refused(TimeOfDay, "25:00") == ("[...][0]", "This is a time from `00:00` to `23:59`.")


def test_other_patterns_are_shown_as_they_are() -> None:
    assert "regex '^a$'" in refused(Annotated[str, Meta(pattern="^a$")], "b")[1]
