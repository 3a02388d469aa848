"""What aiohttp logs of requests that are no HTTP: a traceback each, for whatever strangers care to send."""

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError


def leave_out_of_the_log() -> None:
    """From now on. Such requests are answered 400; nobody can mend them here, and anybody could fill a disk.

    They also hold the header that could not be read, which may be one with a token in it.
    """
    logging.getLogger("aiohttp.server").addFilter(is_our_concern)


def is_our_concern(record: logging.LogRecord) -> bool:
    cause = record.exc_info[1] if record.exc_info else None
    return not isinstance(cause, HttpProcessingError | web.RequestPayloadError)
