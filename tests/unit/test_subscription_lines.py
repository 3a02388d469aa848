from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.subscription_lines import MAX_LINE, split_lines


async def split(*chunks: bytes) -> list[tuple[int, bytes | None]]:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [each async for each in split_lines(stream())]


@given(
    lines=st.lists(st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"-"))),
    cuts=st.lists(st.integers(0, 200)),
    ended=st.booleans(),
)
async def test_lines_are_the_same_however_the_stream_is_cut(
    lines: list[bytes], cuts: list[int], ended: bool
) -> None:
    body = b"\n".join(lines) + (b"\n" if ended else b"")
    places = sorted({0, *(cut for cut in cuts if cut < len(body)), len(body)})
    chunks = [body[start:end] for start, end in pairwise(places)]
    whole = body.removeprefix(BOM_UTF8).split(b"\n")
    expected = [(number, line) for number, line in enumerate(whole, 1) if line.strip()]
    assert await split(*chunks) == expected


async def test_a_line_that_is_too_long_is_dropped_and_counted() -> None:
    long = b"x" * (MAX_LINE + 1)
    assert await split(b"a\n" + long + b"\nb\n") == [(1, b"a"), (2, None), (3, b"b")]
    assert await split(b"a\n", *[b"x" * 1_000] * 100, b"\nb") == [(1, b"a"), (2, None), (3, b"b")]
    assert await split(long) == [(1, None)]
    assert await split(b"x" * MAX_LINE) == [(1, b"x" * MAX_LINE)]


async def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it() -> None:
    assert await split(b"\xef", b"\xbb\xbfa\nb") == [(1, b"a"), (2, b"b")]
    assert await split(b"\xef\xbb\xbfa") == [(1, b"a")]
    assert await split(b"\xef\xbb\xbf\n", b"\xef\xbb\xbfb") == [(2, b"\xef\xbb\xbfb")]


async def test_nothing_holds_no_lines() -> None:
    assert await split() == []
    assert await split(b"") == []
    assert await split(b"\n", b" \r\n", b"\t") == []
