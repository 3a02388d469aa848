import asyncio
import logging
from collections.abc import Iterator

import pytest

from gateway.api.strangers import is_our_concern, leave_out_of_the_log
from tests.api.conftest import Api


@pytest.fixture
def left_out() -> Iterator[None]:
    leave_out_of_the_log()
    yield
    logging.getLogger("aiohttp.server").removeFilter(is_our_concern)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS
        b"GET / HTTP/1.1\r\nAuthorization : Bearer wpg_secret\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 9_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /v1/public/events HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["tls", "space before colon", "long header", "two lengths", "not chunked"],
)
async def test_what_is_no_http_is_answered_400_and_leaves_no_line_in_the_log(
    api: Api, left_out: None, caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    assert api.client.port is not None
    reader, writer = await asyncio.open_connection(api.client.host, api.client.port)
    try:
        writer.write(request_bytes)
        assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
    finally:
        writer.close()
    await api.get("/healthz")
    assert [each for each in caplog.records if each.name.startswith("aiohttp")] == []


def test_faults_of_our_own_stay_in_the_log() -> None:
    cause = RuntimeError("a bug")
    record = logging.LogRecord("aiohttp.server", 40, "", 1, "x", None, (RuntimeError, cause, None))
    assert is_our_concern(record)
