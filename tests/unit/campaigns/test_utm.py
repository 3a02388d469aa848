"""UTM parameters in links."""

import pytest

from gateway.campaigns.utm import Utm, add_utm, merge_utm, utm_pairs

PAIRS = utm_pairs(Utm(source="push", campaign="Sale & more"))


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        ("https://x.example", "https://x.example?utm_source=push&utm_campaign=Sale%20%26%20more"),
        ("https://x.example/a#b", "https://x.example/a?utm_source=push&utm_campaign=Sale%20%26%20more#b"),
        ("https://x.example/?a=1", "https://x.example/?a=1&utm_source=push&utm_campaign=Sale%20%26%20more"),
        ("https://x.example/?", "https://x.example/?utm_source=push&utm_campaign=Sale%20%26%20more"),
        (
            "https://x.example/?utm_source=me",
            "https://x.example/?utm_source=me&utm_campaign=Sale%20%26%20more",
        ),
        ("https://x.example/?utm_source&utm_campaign=", "https://x.example/?utm_source&utm_campaign="),
        (
            "https://x.example/#?utm_source=a",
            "https://x.example/?utm_source=push&utm_campaign=Sale%20%26%20more#?utm_source=a",
        ),
    ],
)
def test_a_link_gets_what_it_does_not_have_itself_before_its_fragment(url: str, linked: str) -> None:
    assert add_utm(url, PAIRS) == linked


def test_without_parameters_a_link_stays_as_it_is() -> None:
    assert add_utm("https://x.example/?a#b", utm_pairs(None)) == "https://x.example/?a#b"
    assert utm_pairs(Utm()) == []


def test_a_messages_parameters_go_over_those_of_its_site() -> None:
    site = Utm(source="push", medium="web")
    assert merge_utm(site, Utm(medium="app", term="x")) == Utm(source="push", medium="app", term="x")
    assert merge_utm(site, None) == site
    assert merge_utm(None, Utm(term="x")) == Utm(term="x")
    assert merge_utm(None, None) is None
