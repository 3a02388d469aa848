import base64
import hashlib
import hmac

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.subscription_fields import (
    Attributes,
    AttributeValue,
    Language,
    Tag,
    check_fields,
    check_totals,
    signature_fits,
)

KEY = b"an identity key"


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "Asia/Calcutta", "Asia/Kolkata", "America/Indiana/Knox"]
)
def test_zones_of_the_iana_database_are_taken(zone: str) -> None:
    assert check_fields(timezone=zone) == []


@pytest.mark.parametrize(
    "zone",
    ["", "Berlin", "europe/berlin", "Europe/Berlin\n", "../UTC", "/etc/localtime", "localtime", "Factory"],
)
def test_other_zones_are_not(zone: str) -> None:
    assert [each.path for each in check_fields(timezone=zone)] == ["timezone"]


def test_values_are_measured_in_bytes() -> None:
    assert check_fields({"fits": "ü" * 128, "n": 10**12, "yes": True}) == []
    assert [each.path for each in check_fields({"fits": "x", "long": "ü" * 129})] == ["attributes.long"]


def test_fifty_of_each_fit_and_no_more() -> None:
    fifty = [str(n) for n in range(50)]
    assert check_totals(fifty, dict.fromkeys(fifty, 1)) == []
    more = [*fifty, "one more"]
    assert [each.path for each in check_totals(more, dict.fromkeys(more, 1))] == ["tags", "attributes"]


@given(external_id=st.text(min_size=1, max_size=50))
def test_a_signature_fits_in_every_usual_spelling(external_id: str) -> None:
    mac = hmac.digest(KEY, external_id.encode(), hashlib.sha256)
    url = base64.urlsafe_b64encode(mac).decode()
    assert all(signature_fits(KEY, external_id, text) for text in (mac.hex(), url, url.rstrip("=")))
    assert not signature_fits(b"another key", external_id, url)
    assert not signature_fits(KEY, external_id + "x", url)


@given(signature=st.text(max_size=70))
def test_no_other_text_is_a_signature(signature: str) -> None:
    assert not signature_fits(KEY, "anna", signature)


@pytest.mark.parametrize("tag", ["news", "ünïcode", "two words", "x" * 64])
def test_tags_are_short_printable_texts(tag: str) -> None:
    assert msgspec.convert(tag, Tag) == tag


@pytest.mark.parametrize("tag", ["", "x" * 65, "a\nb", "end\n", "\x00", "\x7f"])
def test_other_texts_are_no_tags(tag: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(tag, Tag)


@pytest.mark.parametrize("language", ["de", "en-US", "zh-Hans-CN", "de-CH-1996"])
def test_language_tags_are_taken(language: str) -> None:
    assert msgspec.convert(language, Language) == language


@pytest.mark.parametrize("value", ["x", 7, -7, 1.5, True, False])
def test_an_attribute_keeps_its_type(value: AttributeValue) -> None:
    read = msgspec.json.decode(msgspec.json.encode({"a": value}), type=Attributes)["a"]
    assert (read, type(read)) == (value, type(value))
