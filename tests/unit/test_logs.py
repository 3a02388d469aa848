import ast
import contextvars
import io
import json
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway.logs import Log, answering, configure_logging, redact, redact_endpoint

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
        ("{'p256dh': 'BP19K6EZV3AscbN2EummiAMSnd53k'}", "BP19K6EZ"),
        ('{"auth": "Y2TYgnRUEt9AHSEBOKQqfA"}', "Y2TYgn"),
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


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (each for each in ast.walk(node) if isinstance(each, ast.Call))


def _first_words(trees: Mapping[Path, ast.Module], maker: str) -> set[str]:
    """The constants that calls of `maker` begin with."""
    return {
        str(call.args[0].value)
        for tree in trees.values()
        for call in _calls(tree)
        if isinstance(call.func, ast.Name)
        and call.func.id == maker
        and isinstance(call.args[0], ast.Constant)
    }


def _events(trees: Mapping[Path, ast.Module]) -> Iterator[tuple[str, str]]:
    """Where in the code, and which event: the first argument of a call of `log`.

    Of a process started by gateway.supervise it begins with the kind of process; what is passed over by
    gateway.scheduler.failing is told with the event that was asked for.
    """
    kinds, failing = _first_words(trees, "Child"), _first_words(trees, "Failing")
    for path, tree in trees.items():
        for call in _calls(tree):
            function = call.func
            if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
                continue
            if function.value.id != "log":
                continue
            event, where = call.args[0], f"{path.relative_to(ROOT)}:{call.lineno}"
            if isinstance(event, ast.JoinedStr) and path.name == "supervise.py":
                rest = event.values[-1]
                assert isinstance(rest, ast.Constant), where
                yield from ((where, kind + str(rest.value)) for kind in kinds)
            elif path.name == "failing.py":
                yield from ((where, each) for each in failing)
            else:
                assert isinstance(event, ast.Constant), f"{where} makes its event up"
                yield where, str(event.value)


@pytest.fixture(scope="module")
def events() -> list[tuple[str, str]]:
    sources = {path: path.read_text() for path in ROOT.glob("gateway/**/*.py")}
    named = {path: ast.parse(text) for path, text in sources.items() if "from gateway.logs import" in text}
    constructed = ("Child(", "Failing(")
    others = {
        path: ast.parse(text)
        for path, text in sources.items()
        if path not in named and any(each in text for each in constructed)
    }
    return list(_events(named | others))


def test_no_field_of_a_line_is_a_secret_and_an_endpoint_is_redacted() -> None:
    seen = 0
    for path in ROOT.glob("gateway/**/*.py"):
        for call in _calls(ast.parse(path.read_text())):
            function = call.func
            if isinstance(function, ast.Attribute) and ast.unparse(function.value) == "log":
                for field in call.keywords:
                    where = f"{path.relative_to(ROOT)}:{call.lineno}: {field.arg}"
                    assert field.arg not in ("token", "secret", "key", "auth", "p256dh", "payload"), where
                    if field.arg == "endpoint":
                        seen += 1
                        assert ast.unparse(field.value).startswith("redact_endpoint("), where
    assert seen


def test_every_event_in_the_code_has_a_stable_name(events: list[tuple[str, str]]) -> None:
    assert len(events) > 40
    for where, event in events:
        assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", event), f"{where}: {event!r} is not thing.what_happened"


def test_the_events_of_the_code_are_those_of_the_document(events: list[tuple[str, str]]) -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", (ROOT / "docs" / "logs.md").read_text(), re.MULTILINE)
    documented = {event for row in rows for event in re.findall(r"`([^`]+)`", row)} - {"log"}
    assert {event for _, event in events} == documented


def test_lines_of_a_request_carry_its_id(lines: io.StringIO) -> None:
    def answer(request_id: str) -> None:
        answering.set(request_id)
        log.info("message.accepted", message_id=1)

    contextvars.copy_context().run(answer, "0a1b")
    contextvars.copy_context().run(answer, "2c3d")
    log.info("message.started", message_id=1)
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [line.get("request_id") for line in found] == ["0a1b", "2c3d", None]
    assert {line["message_id"] for line in found} == {"msg_0000000000001"}
