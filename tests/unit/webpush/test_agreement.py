"""Both ways to agree on a key: with each other, with what they must refuse, and without leaks."""

import _ctypes
import _hashlib
import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.webpush import libcrypto
from gateway.webpush.agreement import Agree, agree, agree_by_cryptography, choose
from gateway.webpush.libcrypto import P256, open_p256

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# Without an OpenSSL 3 that Python is linked to there is one way only.
WAYS = [agree_by_cryptography, *([agree] if agree is not agree_by_cryptography else [])]


def point_of(scalar: int) -> bytes:
    public_key = ec.derive_private_key(scalar, ec.SECP256R1()).public_key()
    return public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def secret_of(scalar: int, point: bytes) -> bytes:
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    return ec.derive_private_key(scalar, ec.SECP256R1()).exchange(ec.ECDH(), theirs)


BROWSER = 0xC0FFEE
P256DH = point_of(BROWSER)
NOT_ON_THE_CURVE = P256DH[:-1] + bytes([P256DH[-1] ^ 1])
BAD_POINTS = {
    "not on the curve": NOT_ON_THE_CURVE,
    "all zeros after the form": b"\x04" + bytes(64),
    "on the curve if x were reduced": b"\x04" + (P + 5).to_bytes(32) + P256DH[33:],
    "of zeros": bytes(65),
    "infinity": b"\x00",
    "empty": b"",
    "hybrid": bytes([6 + P256DH[-1] % 2]) + P256DH[1:],
    "compressed": bytes([2 + P256DH[-1] % 2]) + P256DH[1:33],
    "a byte short": P256DH[:-1],
    "a byte long": P256DH + b"\x00",
}


@pytest.mark.parametrize("way", WAYS)
@given(scalar=st.integers(1, ORDER - 1), browser=st.integers(1, ORDER - 1))
def test_the_browser_computes_the_same_secret(way: Agree, scalar: int, browser: int) -> None:
    point, secret = way(point_of(browser), scalar.to_bytes(32))
    assert point == point_of(scalar)
    assert secret == secret_of(browser, point)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scalar", [1, 2, 255, 2**64, 2**128 - 1, 2**192, ORDER // 2, ORDER - 2, ORDER - 1])
def test_private_keys_at_the_edges_agree_too(way: Agree, scalar: int) -> None:
    assert way(P256DH, scalar.to_bytes(32)) == (point_of(scalar), secret_of(scalar, P256DH))


@pytest.mark.parametrize("way", WAYS)
def test_each_call_makes_a_key_pair_of_its_own(way: Agree) -> None:
    agreed = [way(P256DH, None) for _ in range(50)]
    assert len({point for point, _ in agreed}) == 50
    for point, secret in agreed:
        assert secret == secret_of(BROWSER, point)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", BAD_POINTS)
def test_what_is_no_uncompressed_point_is_refused_and_the_next_one_is_served(way: Agree, name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        way(BAD_POINTS[name], None)
    assert way(P256DH, (7).to_bytes(32)) == (point_of(7), secret_of(7, P256DH))


@pytest.mark.parametrize("way", WAYS)
@given(data=st.binary(min_size=64, max_size=64))
def test_hardly_any_64_bytes_are_a_point(way: Agree, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        way(b"\x04" + data, None)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scalar", [0, ORDER, ORDER + 1, 2**256 - 1])
def test_a_private_key_that_the_curve_does_not_have_is_refused(way: Agree, scalar: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        way(P256DH, scalar.to_bytes(32))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wrong", ["text of 65 characters".ljust(65), None, 65])
def test_what_is_not_bytes_never_reaches_the_library(way: Any, wrong: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        way(wrong, None)


def test_threads_do_not_mix_up_their_keys() -> None:
    def many(browser: int) -> bool:
        p256dh = point_of(browser)
        return all(
            secret == secret_of(browser, point) for point, secret in (agree(p256dh, None) for _ in range(300))
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(many, range(3, 7)))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_memory_does_not_grow_with_messages_or_with_points_that_are_refused() -> None:
    def many() -> None:
        for _ in range(8_000):
            agree(P256DH, None)
            with pytest.raises(ValueError, match=r"."):
                agree(NOT_ON_THE_CURVE, None)

    many()
    before = resident_bytes()
    many()
    assert resident_bytes() - before < 400_000  # 25 bytes each; malloc gives no fewer than 32


def test_the_library_is_used_only_if_it_computes_what_cryptography_does() -> None:
    def wrong(p256dh: bytes, scalar: bytes | None = None) -> tuple[bytes, bytes]:
        return point_of(1), bytes(32)

    def failing(p256dh: bytes, scalar: bytes | None = None) -> tuple[bytes, bytes]:
        raise ValueError

    right = SimpleNamespace(agree=lambda p256dh, scalar=None: agree_by_cryptography(p256dh, scalar))
    assert choose(right) is right.agree  # type: ignore[arg-type]
    assert choose(SimpleNamespace(agree=wrong)) is agree_by_cryptography  # type: ignore[arg-type]
    assert choose(SimpleNamespace(agree=failing)) is agree_by_cryptography  # type: ignore[arg-type]
    assert choose(None) is agree_by_cryptography


@pytest.mark.parametrize("file", [_ctypes.__file__, "/nowhere/_hashlib.so", __file__])
def test_without_a_libcrypto_to_be_found_there_is_no_p256(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hashlib, "__file__", file)
    assert open_p256() is None


def test_a_python_with_hashlib_built_in_has_no_p256(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_hashlib, "__file__")
    assert open_p256() is None


@pytest.mark.parametrize("version", [0x1010117F, 0x20000000, 0x40000030])
def test_versions_that_were_not_tested_are_left_alone(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def function(library: object, name: str, *types: object) -> Any:
        assert name == "OpenSSL_version_num", "nothing else may be called before the version is known"
        return lambda: version

    monkeypatch.setattr(libcrypto, "_function", function)
    assert open_p256() is None


@pytest.mark.skipif(open_p256() is None, reason="Python is not linked to an OpenSSL 3")
def test_a_refused_point_leaves_no_error_behind_for_pythons_ssl() -> None:
    library = ctypes.PyDLL(_hashlib.__file__)
    p256 = P256(library)
    with pytest.raises(ValueError, match="not a point"):
        p256.agree(NOT_ON_THE_CURVE)
    assert library.ERR_peek_error() == 0
    p256.agree(P256DH)
    assert library.ERR_peek_error() == 0
