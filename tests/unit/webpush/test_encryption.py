"""Our records against RFC 8291's own example, http_ece and pywebpush."""

import hmac
import os

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pywebpush import WebPusher

from gateway.webpush import (
    MAX_PLAINTEXT,
    ApplicationServerKey,
    PayloadTooLarge,
    check_size,
    decode_auth,
    decode_p256dh,
    encode_base64url,
    encrypt,
    encryption,
)
from gateway.webpush.agreement import Agree, agree, agree_by_cryptography
from gateway.webpush.encryption import _hmac_sha256

# RFC 8291, section 5 and appendix A
AS_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
UA_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
UA_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
    "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
    "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)

BROWSER = ec.generate_private_key(ec.SECP256R1())
P256DH = BROWSER.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
SECRET = os.urandom(16)


def decrypt(body: bytes) -> bytes:
    plaintext: bytes = http_ece.decrypt(body, private_key=BROWSER, auth_secret=SECRET, version="aes128gcm")
    return plaintext


@pytest.mark.parametrize("way", [agree, agree_by_cryptography])
def test_the_example_of_rfc_8291_comes_out_byte_for_byte(way: Agree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "agree", way)
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        decode_p256dh(UA_PUBLIC),
        decode_auth(AUTH),
        ephemeral=ApplicationServerKey.parse(AS_PRIVATE).raw,
        salt=decode_auth(SALT),
    )
    assert encode_base64url(body) == BODY
    assert ApplicationServerKey.parse(UA_PRIVATE).public == UA_PUBLIC


@given(key=st.binary(max_size=64), message=st.binary(max_size=200))
def test_our_hmac_is_pythons_for_keys_of_up_to_a_block(key: bytes, message: bytes) -> None:
    assert _hmac_sha256(key, message) == hmac.digest(key, message, "sha256")


@given(st.binary(max_size=MAX_PLAINTEXT))
def test_http_ece_reads_what_we_encrypt(plaintext: bytes) -> None:
    assert decrypt(encrypt(plaintext, P256DH, SECRET)) == plaintext


@pytest.mark.parametrize("size", [1, 300, MAX_PLAINTEXT])
def test_our_body_has_the_size_and_form_of_pywebpushs(size: int) -> None:
    plaintext = os.urandom(size)
    keys = {"p256dh": encode_base64url(P256DH), "auth": encode_base64url(SECRET)}
    theirs = WebPusher({"endpoint": "https://push.example/x", "keys": keys}).encode(plaintext)["body"]
    ours = encrypt(plaintext, P256DH, SECRET)
    assert decrypt(theirs) == decrypt(ours) == plaintext
    assert len(ours) == len(theirs)
    assert ours[16:22] == theirs[16:22]


def test_the_largest_payload_makes_a_body_of_4096_bytes() -> None:
    assert len(encrypt(bytes(MAX_PLAINTEXT), P256DH, SECRET)) == 4096


@pytest.mark.parametrize("excess", [1, 7, 100_000])
def test_a_larger_payload_is_refused_with_the_number_of_bytes_over(excess: int) -> None:
    with pytest.raises(PayloadTooLarge, match=f"{excess} over the limit of 3993") as caught:
        encrypt(bytes(MAX_PLAINTEXT + excess), P256DH, SECRET)
    assert caught.value.excess == excess
    with pytest.raises(PayloadTooLarge):
        check_size(MAX_PLAINTEXT + excess)


def test_each_message_has_its_own_salt_and_key() -> None:
    bodies = [encrypt(b"same", P256DH, SECRET) for _ in range(3)]
    assert len({body[:16] for body in bodies}) == 3
    assert len({body[21:86] for body in bodies}) == 3
