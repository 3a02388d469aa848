"""A PostgreSQL server of our own for a benchmark: PyPI's pgserver, in a folder, with its durable defaults."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """The URL of an empty database. ImportError when there is no pgserver for this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its platformdirs warns about XDG_RUNTIME_DIR
        from pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode="stop")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()
