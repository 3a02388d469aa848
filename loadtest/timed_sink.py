"""nginx as a push service that takes everything and writes down when pushes with a Topic came."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.sink import Sink, running_nginx

_LOG = "topics.log"
_FORMAT = """log_format topic "$msec $http_topic";
  map $http_topic $has_topic { "" 0; default 1; }"""


@contextmanager
def running_timed_sink(folder: Path) -> Iterator[Sink]:
    """As `running_nginx`; `arrivals(sink)` says when pushes with a Topic came."""
    folder.mkdir(exist_ok=True)
    log = folder / _LOG
    root = f"location / {{ access_log {log} topic if=$has_topic; return 201; }}"
    with running_nginx(folder, root=root, http=_FORMAT) as sink:
        yield sink


def arrivals(sink: Sink) -> dict[str, list[float]]:
    """By topic, seconds since the epoch, to the millisecond: when nginx had answered."""
    found: dict[str, list[float]] = {}
    for line in (sink.folder / _LOG).read_text().splitlines():
        at, topic = line.split(" ")
        found.setdefault(topic, []).append(float(at))
    return found
