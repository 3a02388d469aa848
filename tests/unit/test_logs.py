import ast
import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.logs import Log, configure_logging, redact, redact_endpoint

ROOT = Path(__file__).parents[2]
ENDPOINT = "https://fcm.googleapis.com/fcm/send/dXNlcg:APA91bH-very_secret"
log = Log("gateway.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    configure_logging("json", stream=stream)
    return stream


def test_a_line_is_json_with_event_fields_and_time_when_nobody_watches() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    log.info("message.frozen", message_id=12, recipients=1000, level="cannot replace ours")
    line = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line.pop("pid") > 0
    assert line == {
        "level": "info",
        "event": "message.frozen",
        "message_id": "msg_000000000000c",
        "recipients": 1000,
    }


def test_ids_are_written_as_the_api_writes_them(lines: io.StringIO) -> None:
    log.info(
        "ids", site_id=1, subscription_id=2, message_id=3, key_id=4, token_id=5, batch_id=6, request_id="0a1b"
    )
    line = json.loads(lines.getvalue())
    names = ("site_id", "subscription_id", "message_id", "key_id", "token_id")
    assert [line[name][:5] for name in names] == ["site_", "sub_0", "msg_0", "key_0", "tok_0"]
    assert (line["batch_id"], line["request_id"]) == (6, "0a1b")


def test_a_line_is_text_on_a_terminal_unless_told_otherwise() -> None:
    terminal = Terminal()
    configure_logging(stream=terminal)
    log.warning("site.paused", reason="too many 403", site_id=7)
    line = 'WARNING site.paused reason="too many 403" site_id=site_0000000000007\n'
    assert terminal.getvalue().endswith(line)
    terminal = Terminal()
    configure_logging("json", stream=terminal)
    log.info("site.resumed")
    assert json.loads(terminal.getvalue())["event"] == "site.resumed"


def test_the_cause_is_shown_to_the_operator(lines: io.StringIO) -> None:
    try:
        raise OSError("disk is full")
    except OSError as exc:
        log.error("storage.unavailable", hint="Free some space.", cause=exc)
    line = json.loads(lines.getvalue())
    assert line["hint"] == "Free some space."
    assert line["exception"].startswith("Traceback")
    assert "disk is full" in line["exception"]


def test_lines_of_libraries_and_warnings_look_the_same(lines: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").error("Error handling %s", "request")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging("json", stream=lines)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (first["event"], first["logger"], first["text"]) == (
        "log",
        "aiohttp.server",
        "Error handling request",
    )
    assert (second["event"], second["logger"]) == ("log", "py.warnings")


def test_below_the_level_nothing_is_written(lines: io.StringIO) -> None:
    logging.getLogger(__name__).debug("batch.claimed")
    assert lines.getvalue() == ""


def test_one_event_is_one_line_whatever_a_stranger_wrote() -> None:
    for stream, log_format in ((io.StringIO(), "text"), (io.StringIO(), "json")):
        configure_logging(log_format, stream=stream)
        log.info("site.made", name="a\nERROR forged.event\x1b[31m", empty="")
        assert stream.getvalue().count("\n") == 1
        assert "\x1b" not in stream.getvalue()


def test_an_exception_cannot_paint_on_the_terminal() -> None:
    stream = io.StringIO()
    configure_logging("text", stream=stream)
    log.error("request.failed", cause=ValueError("\x1b]0;owned\x07"))
    assert "\x1b" not in stream.getvalue()
    assert "\\x1b]0;owned\\x07" in stream.getvalue()


def test_an_endpoint_becomes_its_host_and_a_hash() -> None:
    assert re.fullmatch(r"fcm\.googleapis\.com#[0-9a-f]{12}", redact_endpoint(ENDPOINT))
    assert redact_endpoint(ENDPOINT) != redact_endpoint(ENDPOINT + "x")
    assert redact_endpoint("https://[broken").startswith("?#")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer wpg_abcdefghijklmnop", "abcdefghijklmnop"),
        ("authorization: bearer eyJhbGciOi.J9.x-y_z", "eyJhbGciOi"),
        ("header vapid t=eyJ0eXAi.eyJhdWQi.sig, k=BOg5", "eyJ0eXAi"),
        ("token wpg_abcdefghijklmnop was used", "abcdefghijklmnop"),
        ("postgresql://me:pass-word@db/gateway", "pass-word"),
        (f"Failed to connect to {ENDPOINT} port 443", "APA91bH"),
        ("https://updates.push.services.mozilla.com/wpush/v2/gAAAA", "gAAAA"),
        ("https://db5p.notify.windows.com/w/?token=BQYAAAC", "BQYAAAC"),
        ("https://web.push.apple.com/QPrr8", "QPrr8"),
    ],
)
def test_secrets_that_slip_through_are_blotted_out(lines: io.StringIO, text: str, secret: str) -> None:
    assert secret not in redact(text)
    log.error("request.failed", text=text, cause=ValueError(text))
    logging.getLogger("library").warning(text)
    assert lines.getvalue().count("\n") == 2
    assert secret not in lines.getvalue()


def test_redaction_leaves_ordinary_lines_as_they_are() -> None:
    line = '{"event": "gateway.started", "url": "http://127.0.0.1:8080/demo/", "bearer": "none"}'
    assert redact(line) == line


def test_every_event_in_the_code_has_a_stable_name() -> None:
    named = re.compile(r"[a-z_]+(\.[a-z_]+)+")
    for path in [*ROOT.glob("gateway/**/*.py")]:
        source = path.read_text()
        if "from gateway.logs import" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "log":
                event = node.args[0]
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                assert isinstance(event, ast.Constant), f"{where} makes its event up"
                assert named.fullmatch(str(event.value)), (
                    f"{where}: {event.value!r} is not thing.what_happened"
                )
