import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.ids import (
    EPOCH,
    MAX_ID,
    IdSource,
    Kind,
    MalformedId,
    decode_id,
    encode_id,
    id_ceiling,
    pack,
    unpack,
)

ids = st.integers(0, MAX_ID)
kinds = st.sampled_from(Kind)
times = st.integers(EPOCH, EPOCH + 2**41 - 2)


@given(kinds, ids)
def test_an_id_survives_its_text(kind: Kind, id: int) -> None:
    assert decode_id(kind, encode_id(kind, id)) == id


@given(ids, ids)
def test_texts_sort_like_their_ids(one: int, other: int) -> None:
    texts = encode_id(Kind.MESSAGE, one), encode_id(Kind.MESSAGE, other)
    assert (texts[0] < texts[1]) == (one < other)


@given(ids)
def test_an_id_of_another_kind_is_malformed(id: int) -> None:
    with pytest.raises(MalformedId):
        decode_id(Kind.SITE, encode_id(Kind.MESSAGE, id))


@given(st.text(max_size=30))
def test_whatever_is_accepted_is_spelt_as_we_spell_it(text: str) -> None:
    try:
        id = decode_id(Kind.SITE, text)
    except MalformedId:
        return
    assert encode_id(Kind.SITE, id) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sub_",
        "sub_0",
        "sub_zzzzzzzzzzzzz",
        "sub_000000000000O",
        "SUB_0000000000000",
        "sub_00000000000000",
    ],
)
def test_a_malformed_id_is_refused(text: str) -> None:
    with pytest.raises(MalformedId):
        decode_id(Kind.SUBSCRIPTION, text)


@given(st.lists(times, min_size=1, max_size=50), st.integers())
def test_ids_rise_even_when_the_clock_is_set_back(nows: list[int], seed: int) -> None:
    clock = iter(nows)
    source = IdSource(lambda: next(clock), random.Random(seed).getrandbits)
    made = [source.next() for _ in nows]
    assert made == sorted(set(made))
    assert all(0 <= id <= MAX_ID for id in made)


@given(times, st.integers(0, 2**22 - 1))
def test_a_ceiling_lies_above_every_id_of_its_time_and_below_all_later_ones(now: int, bits: int) -> None:
    id = IdSource(lambda: now, lambda _: bits).next()
    assert id_ceiling(now - 1) < id <= id_ceiling(now)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=600))
def test_members_survive_packing(members: list[int]) -> None:
    packed = pack(members)
    assert len(packed) == 8 * len(members)
    assert unpack(packed) == members


def test_members_are_packed_little_endian() -> None:
    assert pack([1, 256]) == bytes([1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
