"""Keys are decoded strictly, and what is wrong with one is said."""

import base64
import os
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from py_vapid import Vapid

from gateway.webpush import ApplicationServerKey, InvalidKey, decode_auth, decode_p256dh, encode_base64url

P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
POINT = base64.urlsafe_b64decode(P256DH + "=")
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def pem(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> str:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()


@pytest.mark.parametrize("text", [P256DH, P256DH + "=", base64.b64encode(POINT).decode()])
def test_a_p256dh_is_read_with_and_without_padding_and_in_both_alphabets(text: str) -> None:
    assert decode_p256dh(text) == POINT


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (P256DH[:-4], "has 62 bytes"),
        ("", "has 0 bytes"),
        (encode_base64url(POINT + b"\x00"), "has 66 bytes"),
        (encode_base64url(b"\x02" + POINT[1:33]), "has 33 bytes"),
        (encode_base64url(b"\x05" + POINT[1:]), "first byte must be 4"),
        (encode_base64url(POINT[:-1] + bytes([POINT[-1] ^ 1])), "not a point of the curve"),
        (encode_base64url(b"\x04" + bytes(64)), "not a point of the curve"),
        (P256DH + "!", "not base64url"),
        (P256DH[:40] + " " + P256DH[40:], "not base64url"),
        (P256DH[:40] + "=" + P256DH[40:], "not base64url"),
        (P256DH + "A" * 4, "has 68 bytes"),
        ("\u00e9" * 87, "not base64url"),
        ("A" * 5000, "5000 characters long"),
    ],
)
def test_a_p256dh_that_is_no_point_of_the_curve_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidKey, match=sentence):
        decode_p256dh(text)


@pytest.mark.parametrize(
    ("size", "sentence"), [(0, "0 bytes"), (4, "4 bytes"), (15, "15 bytes"), (17, "17 bytes")]
)
def test_an_auth_secret_has_exactly_16_bytes(size: int, sentence: str) -> None:
    with pytest.raises(InvalidKey, match=sentence):
        decode_auth(encode_base64url(bytes(size)))


@given(st.binary(min_size=16, max_size=16))
def test_every_auth_secret_comes_back(secret: bytes) -> None:
    assert decode_auth(encode_base64url(secret)) == secret
    assert decode_auth(base64.urlsafe_b64encode(secret).decode()) == secret


@given(st.binary(max_size=100))
def test_base64url_is_as_the_standard_librarys_without_padding(data: bytes) -> None:
    assert encode_base64url(data) == base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize("decode", [decode_p256dh, decode_auth, ApplicationServerKey.parse])
@given(
    text=st.text(max_size=30) | st.text("!=", min_size=1, max_size=3).map(lambda tail: P256DH + "!" + tail)
)
def test_text_that_is_no_key_is_refused_with_a_sentence(decode: Callable[[str], object], text: str) -> None:
    assume(len(text.strip().rstrip("=")) != 22)  # may be a secret
    with pytest.raises(InvalidKey, match=r"^(p256dh|auth|the private key) (has|is not)"):
        decode(text)


def test_a_generated_key_survives_storage() -> None:
    key = ApplicationServerKey.generate()
    again = ApplicationServerKey.from_raw(key.raw)
    assert again == key
    assert again.raw == key.raw
    assert len(key.public) == 87
    assert len(key.raw) == 32
    assert decode_p256dh(key.public)[0] == 4


def test_a_private_key_with_leading_zeros_has_32_bytes() -> None:
    key = ApplicationServerKey.from_raw(bytes(31) + b"\x01")
    assert key.raw == bytes(31) + b"\x01"


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_is_imported_from_pem(form: PrivateFormat) -> None:
    key = ApplicationServerKey.generate()
    assert ApplicationServerKey.parse("\n" + pem(key.private_key, form) + "\n") == key


@pytest.mark.parametrize("padding", ["", "="])
def test_a_key_is_imported_from_base64url(padding: str) -> None:
    key = ApplicationServerKey.generate()
    assert ApplicationServerKey.parse(encode_base64url(key.raw) + padding).raw == key.raw


def test_a_key_made_by_py_vapid_is_the_same_here() -> None:
    vapid = Vapid()
    vapid.generate_keys()
    point = vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert ApplicationServerKey.parse(vapid.private_pem().decode()).public == encode_base64url(point)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (encode_base64url(bytes(32)), "between 1 and the order"),
        (encode_base64url(ORDER.to_bytes(32)), "between 1 and the order"),
        (encode_base64url(bytes(31)), "31 bytes"),
        (P256DH, "65 bytes"),
        ("not a key!", "not base64url"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "not one of the curve P-256"),
        (pem(rsa.generate_private_key(65537, 2048)), "not one of the curve P-256"),
        (
            pem(ec.generate_private_key(ec.SECP256R1()), encryption=BestAvailableEncryption(b"x")),
            "by a password",
        ),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "not a readable PEM"),
        ("-----BEGIN CERTIFICATE-----", "not a readable PEM"),
    ],
)
def test_an_imported_key_that_is_no_p256_private_key_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidKey, match=sentence):
        ApplicationServerKey.parse(text)


def test_a_private_key_shows_in_no_repr() -> None:
    key = ApplicationServerKey.from_raw(os.urandom(32))
    assert repr(key) == f"ApplicationServerKey(public='{key.public}')"
