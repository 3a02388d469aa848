"""A push service that remembers: nginx, whose access log says when each endpoint was POSTed and what it said.

It takes messages at a bounded pace, as a push service far away does: senders then always have as much in
flight as they may, which is what a kill loses.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from loadtest.sink import Sink, running_nginx

TRY_LATER = (429, 503)


class Kind(StrEnum):
    """How an endpoint behaves. Names of one length: then each line of the log has the same length."""

    LIVE = "live"  # takes messages, apart from a 503 now and then
    GONE = "gone"  # 410
    LATE = "late"  # subscribed after the freeze: is to be left alone


LINE = len("1767225600.000 0.000 201 /live/" + 24 * "0" + "\n")


class Post(NamedTuple):
    at: float  # when it arrived, seconds since the epoch
    status: int  # 499: the sender went away before the answer
    kind: Kind
    number: int


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate` messages a second are answered; `flapping` percent of those for the living are 503."""

    rate: int = 6_000
    flapping: float = 2.0


@dataclass(frozen=True, slots=True)
class CountingSink:
    sink: Sink
    log: Path

    def endpoint(self, kind: Kind, number: int) -> str:
        return f"{self.sink.url}/{kind}/{number:024x}"

    def count(self) -> int:
        """POSTs so far, by the size of the log."""
        return self.log.stat().st_size // LINE if self.log.exists() else 0

    def posts(self) -> list[Post]:
        return [_post(line) for line in self.log.read_text("ascii").splitlines()]


@contextmanager
def counting_sink(folder: Path, pace: Pace) -> Iterator[CountingSink]:
    """Stopped at the end. RuntimeError when nginx is not installed or does not start."""
    log = folder / "posts.log"
    share = f"{pace.flapping:.2f}% yes; " if pace.flapping else ""
    http = f"""
  log_format posts '$msec $request_time $status $uri';
  limit_req_zone $server_port zone=pace:64k rate={pace.rate}r/s;
  split_clients $request_id $unavailable {{ {share}* ""; }}
"""
    # `return` would answer before the pace is kept, so that each push is first looked for as a file.
    root = f"""
    access_log {log} posts;
    log_not_found off;
    root {folder}/nothing;
    location /live/ {{ limit_req zone=pace burst=20000; error_page 403 404 405 = @live; }}
    location @live {{ if ($unavailable) {{ return 503; }} return 201; }}
    location /gone/ {{ limit_req zone=pace burst=20000; error_page 403 404 405 = @gone; }}
    location @gone {{ return 410; }}
    location /late/ {{ return 201; }}
"""
    with running_nginx(folder, root=root, http=http) as sink:
        yield CountingSink(sink, log)


def _post(line: str) -> Post:
    logged_at, took, status, path = line.split(" ")
    _, kind, number = path.split("/")
    return Post(float(logged_at) - float(took), int(status), Kind(kind), int(number, 16))
