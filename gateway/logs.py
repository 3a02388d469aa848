"""One line for each thing worth telling an operator, with a stable name for programs to look for.

    log = Log(__name__)
    log.info("message.frozen", message_id=12, recipients=1000)
    log.error("storage.unavailable", hint="Free some disk space.", cause=exc)

The event is `thing.what_happened`, never reworded (docs/logs.md has them all); what varies goes into fields.
Lines of a request carry its `request_id`, so that one can go from a caller's `X-Request-Id` to the message it
made, and by `message_id` through all processes. The int64 in a field called
`site_id`, `message_id`, … is written as the API writes it, `msg_…`. Lines of libraries carry the event `log`.
Text for people on a terminal, JSON elsewhere. Never log a token, a key or an endpoint: write
`redact_endpoint(endpoint)`. The formatters blot out what slips through all the same (in a library's
exception, say), but that is a net, not a licence.
"""

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from hashlib import sha256
from typing import TextIO
from urllib.parse import urlsplit

from storage.ids import Kind, encode_id

# The id of the request that this task answers.
answering: ContextVar[str | None] = ContextVar("answering", default=None)


class Log:
    """A logger whose lines are an event and its fields. `cause` adds the exception's traceback."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, /, *, cause: BaseException | None = None, **fields: object) -> None:
        self._write(logging.INFO, event, cause, fields)

    def warning(self, event: str, /, *, cause: BaseException | None = None, **fields: object) -> None:
        self._write(logging.WARNING, event, cause, fields)

    def error(self, event: str, /, *, cause: BaseException | None = None, **fields: object) -> None:
        self._write(logging.ERROR, event, cause, fields)

    def _write(self, level: int, event: str, cause: BaseException | None, fields: dict[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            if (request_id := answering.get()) is not None:
                fields["request_id"] = request_id
            self._logger.log(level, event, exc_info=cause, extra={"fields": fields})


def configure_logging(
    log_format: str | None = None, *, level: int = logging.INFO, stream: TextIO | None = None
) -> None:
    """Send each line to `stream` (standard error) as "text" or "json"; None lets the stream decide."""
    stream = stream or sys.stderr
    as_text = log_format == "text" or (log_format is None and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_TextFormatter() if as_text else _JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)


def redact_endpoint(endpoint: str) -> str:
    """`host#` and 12 hex digits of the endpoint's SHA-256: enough to recognise, useless to push to."""
    try:
        host = urlsplit(endpoint).hostname or "?"
    except ValueError:
        host = "?"
    return f"{host}#{sha256(endpoint.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def redact(line: str) -> str:
    """The line without tokens, VAPID headers, passwords in URLs, subscriptions' keys, endpoints of the known
    push services."""
    if "://" in line:
        line = _PASSWORD.sub(r"\1[redacted]@", line)
        line = _ENDPOINT.sub(lambda match: redact_endpoint(match[0]), line)
    line = _SUBSCRIPTION_KEY.sub(r"\1[redacted]", line)
    line = _CREDENTIALS.sub(r"\1 [redacted]", line)
    return _API_TOKEN.sub("wpg_[redacted]", line)


_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic|vapid|webpush)\s+[\w.~+/=-]{8,}(?:\s*,\s*k=[\w-]+)?")
_SUBSCRIPTION_KEY = re.compile(r"(\b(?:p256dh|auth)\b[\\\"']*\s*[:=]\s*[\\\"']*)[\w+/=-]{16,}")
_API_TOKEN = re.compile(r"wpg_[\w-]{8,}")
_PASSWORD = re.compile(r"(://[^\s:/@\"]+:)[^\s/@\"]+@")
_ENDPOINT = re.compile(
    r"https://[\w.-]*(?:googleapis\.com|google\.com|push\.services\.mozilla\.com|push\.apple\.com"
    r"|notify\.windows\.com)(?::\d+)?/[^\s\"'\\<>)]+"
)
_IDS = {
    "site_id": Kind.SITE,
    "subscription_id": Kind.SUBSCRIPTION,
    "message_id": Kind.MESSAGE,
    "key_id": Kind.KEY,
    "series_id": Kind.MESSAGE,
    "automation_id": Kind.AUTOMATION,
    "webhook_id": Kind.WEBHOOK,
    "token_id": Kind.TOKEN,
}
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}


def _parts(record: logging.LogRecord) -> tuple[str, dict[str, object]]:
    fields = getattr(record, "fields", None)
    if isinstance(fields, dict):
        return record.getMessage(), {name: _shown(name, value) for name, value in fields.items()}
    return "log", {"logger": record.name, "text": record.getMessage()}


def _shown(name: str, value: object) -> object:
    return encode_id(_IDS[name], value) if name in _IDS and isinstance(value, int) else value


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event, fields = _parts(record)
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": event,
            "pid": record.process,
        }
        line |= {name: value for name, value in fields.items() if name not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(line, default=str, ensure_ascii=False))


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event, fields = _parts(record)
        words = [_time(record), f"{record.levelname:<7}", event]
        words += [f"{name}={_word(value)}" for name, value in fields.items()]
        line = " ".join(words)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        # A stranger's text in an exception must not be able to paint on the operator's terminal.
        return redact(line).translate(_CONTROL)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _word(value: object) -> str:
    text = str(value)
    simple = text.isprintable() and text and not any(character in ' "=' for character in text)
    return text if simple else json.dumps(text, ensure_ascii=False)
