import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CannotStart, SealedValueUnreadable
from gateway.master_key import FILE_NAME, MasterKey, load_master_key, parse_master_key

KEY = MasterKey(b"k" * 32)


def test_what_was_sealed_opens_again_under_the_same_context_only() -> None:
    sealed = KEY.seal(b"private", "key_1 of site 7")
    assert KEY.open(sealed, "key_1 of site 7") == b"private"
    with pytest.raises(SealedValueUnreadable):
        KEY.open(sealed, "key_2 of site 7")
    with pytest.raises(SealedValueUnreadable):
        MasterKey(b"x" * 32).open(sealed, "key_1 of site 7")


@given(plaintext=st.binary(max_size=200), at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_noticed(plaintext: bytes, at: int, bit: int) -> None:
    sealed = bytearray(KEY.seal(plaintext, "c"))
    sealed[at % len(sealed)] ^= 1 << bit
    with pytest.raises(SealedValueUnreadable):
        KEY.open(bytes(sealed), "c")


@given(st.binary(max_size=40))
def test_bytes_that_nobody_sealed_do_not_open(sealed: bytes) -> None:
    with pytest.raises(SealedValueUnreadable):
        KEY.open(sealed, "c")


def test_sealing_twice_gives_different_bytes() -> None:
    assert KEY.seal(b"private", "c") != KEY.seal(b"private", "c")


def test_derived_keys_differ_by_purpose_and_by_id_and_stay_the_same() -> None:
    derived = [
        KEY.derive("a", 1),
        KEY.derive("a", 2),
        KEY.derive("b", 1),
        KEY.derive("a", -1),
        KEY.derive("a"),
    ]
    assert len(set(derived)) == 5
    assert {len(each) for each in derived} == {32}
    assert KEY.derive("a", 1) == MasterKey(b"k" * 32).derive("a", 1)


def test_derivation_is_hkdf_with_sha256() -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = b"event tokens\x00" + (7).to_bytes(8, "big")
    expected = HKDF(SHA256(), 32, b"webpush-gateway master key", info).derive(b"k" * 32)
    assert KEY.derive("event tokens", 7) == expected


def test_the_fingerprint_tells_keys_apart_and_nothing_shows_the_key() -> None:
    assert KEY.fingerprint == MasterKey(b"k" * 32).fingerprint != MasterKey(b"x" * 32).fingerprint
    assert len(KEY.fingerprint) == 32
    assert repr(KEY) == f"<MasterKey {KEY.fingerprint}>"


def test_a_key_is_read_from_either_alphabet_with_or_without_padding() -> None:
    key = bytes([0xFB, 0xEF, 0xFF] * 10 + [1, 2])
    for text in (
        base64.b64encode(key),
        base64.urlsafe_b64encode(key),
        base64.urlsafe_b64encode(key).rstrip(b"="),
    ):
        assert parse_master_key(text.decode() + "\n") == key


def test_the_first_start_makes_a_file_that_only_we_can_read(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    first = load_master_key(None, data_dir)
    assert stat.S_IMODE((data_dir / FILE_NAME).stat().st_mode) == 0o600
    assert load_master_key(None, data_dir).fingerprint == first.fingerprint
    assert [path.name for path in data_dir.iterdir()] == [FILE_NAME]


def test_a_key_from_the_settings_leaves_the_directory_alone(tmp_path: Path) -> None:
    assert load_master_key(b"k" * 32, tmp_path).fingerprint == KEY.fingerprint
    assert list(tmp_path.iterdir()) == []


def test_processes_that_start_at_once_end_up_with_one_key(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from gateway.master_key import load_master_key; print(flush=True); "
        "sys.stdin.readline(); print(load_master_key(None, pathlib.Path(sys.argv[1])).fingerprint)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for each in started:
        assert each.stdout is not None
        each.stdout.readline()
    for each in started:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    fingerprints = {each.communicate(timeout=20)[0] for each in started}
    assert fingerprints == {load_master_key(None, tmp_path).fingerprint + "\n"}
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe"])
def test_a_damaged_file_is_never_replaced_by_a_new_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(CannotStart, match="restore the file from a backup, or set GATEWAY_MASTER_KEY"):
        load_master_key(None, tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_a_directory_that_cannot_be_made_is_named_together_with_the_settings(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    with pytest.raises(CannotStart, match=r"make GATEWAY_DATA_DIR writable, or set GATEWAY_MASTER_KEY"):
        load_master_key(None, tmp_path / "data")
