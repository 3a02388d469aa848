import pytest

from gateway.origins import InvalidOrigin, parse_origin


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://example.com", "https://example.com"),
        (" https://Example.com/ ", "https://example.com"),
        ("https://example.com:443", "https://example.com"),
        ("https://example.com:8443", "https://example.com:8443"),
        ("http://localhost:80", "http://localhost"),
        ("http://shop.localhost:3000", "http://shop.localhost:3000"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://192.0.2.1", "https://192.0.2.1"),
        ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
        ("https://m\u00fcnchen.example", "https://xn--mnchen-3ya.example"),
        ("https://my_shop.example", "https://my_shop.example"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(text: str, origin: str) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "*",
        "https://*.example.com",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "http://example.com",
        "http://127.0.0.1.example.com",
        "https://example.com/path",
        "https://example.com?",
        "https://example.com/?q",
        "https://example.com#f",
        "https://user:secret@example.com",
        "https://example.com:0x50",
        "https://example.com:65536",
        "https://exa\tmple.com",
        "https://exa\nmple.com",
        "https://example..com",
        "https://-example.com",
        "https://" + "a" * 64 + ".com",
        "https://[::1",
        "https://[192.0.2.1]",
        "https://2001:db8::1",
        "https://example.com:0",
        "https://\ud800.example",
    ],
)
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidOrigin, match=r"\.$"):
        parse_origin(text)
