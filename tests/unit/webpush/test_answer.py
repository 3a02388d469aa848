"""What push services say, row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.webpush import Answer, Provider, Reply, classify
from gateway.webpush.answer import MAX_RETRY_AFTER, RULES, parse_retry_after

NOW_AT = 1_767_225_600_000  # Thu, 01 Jan 2026 00:00:00 GMT
FCM, MOZILLA, APPLE, WNS, OTHER = Provider.FCM, Provider.MOZILLA, Provider.APPLE, Provider.WNS, Provider.OTHER
DROPPED = ["X-WNS-NotificationStatus: dropped"]
TTL_CONFLICT = [*DROPPED, "X-WNS-ERROR-DESCRIPTION: Ttl value conflicts with X-WNS-Cache-Policy."]

ROWS: list[tuple[Provider, int, list[str], str, Answer]] = [
    (FCM, 201, ["Location: https://fcm.googleapis.com/0:1"], "", Answer.ACCEPTED),
    (FCM, 200, [], "", Answer.ACCEPTED),
    (FCM, 202, [], "", Answer.ACCEPTED),
    (FCM, 400, [], "binary data passed in the request must be less than 4096 bytes\n", Answer.TOO_LARGE),
    (FCM, 400, [], "InvalidTtlParameter", Answer.REJECTED),
    (FCM, 401, [], "Authorization header must be specified", Answer.UNAUTHORIZED),
    (FCM, 403, [], "permission denied: invalid JWT provided\n", Answer.UNAUTHORIZED),
    (
        FCM,
        403,
        [],
        "the VAPID credentials in the authorization header do not correspond",
        Answer.UNAUTHORIZED,
    ),
    (FCM, 404, [], "A valid push subscription endpoint should be specified", Answer.GONE),
    (FCM, 410, [], "push subscription has unsubscribed or expired", Answer.GONE),
    (FCM, 406, [], "", Answer.REJECTED),
    (FCM, 413, [], "", Answer.TOO_LARGE),
    (FCM, 429, ["Retry-After: 30"], "", Answer.THROTTLED),
    (FCM, 500, [], "", Answer.UNAVAILABLE),
    (FCM, 502, [], "", Answer.UNAVAILABLE),
    (FCM, 503, ["Retry-After: 10"], "", Answer.UNAVAILABLE),
    (MOZILLA, 201, ["TTL: 60"], "", Answer.ACCEPTED),
    (MOZILLA, 400, [], '{"errno": 110}', Answer.REJECTED),
    (MOZILLA, 400, [], "less than 4096 bytes", Answer.REJECTED),
    (MOZILLA, 401, [], '{"errno": 109}', Answer.UNAUTHORIZED),
    (MOZILLA, 404, [], '{"errno": 102}', Answer.GONE),
    (MOZILLA, 410, [], '{"errno": 106}', Answer.GONE),
    (MOZILLA, 413, [], '{"errno": 104}', Answer.TOO_LARGE),
    (MOZILLA, 500, [], '{"errno": 999}', Answer.UNAVAILABLE),
    (MOZILLA, 502, [], '{"errno": 901}', Answer.UNAVAILABLE),
    (MOZILLA, 503, ["Retry-After: 120"], '{"errno": 201}', Answer.UNAVAILABLE),
    (APPLE, 201, ["apns-id: 1"], "", Answer.ACCEPTED),
    (APPLE, 400, [], '{"reason":"VapidPkHashMismatch"}', Answer.UNAUTHORIZED),
    (APPLE, 403, [], '{"reason":"VapidPkHashMismatch"}', Answer.UNAUTHORIZED),
    (APPLE, 400, [], '{"reason":"BadTtl"}', Answer.REJECTED),
    (APPLE, 400, [], '{"reason":"BadWebPushTopic"}', Answer.REJECTED),
    (APPLE, 403, [], '{"reason":"BadJwtToken"}', Answer.UNAUTHORIZED),
    (APPLE, 404, [], '{"reason":"BadPath"}', Answer.GONE),
    (APPLE, 405, [], '{"reason":"MethodNotAllowed"}', Answer.REJECTED),
    (APPLE, 410, [], '{"reason":"Unregistered"}', Answer.GONE),
    (APPLE, 413, [], '{"reason":"PayloadTooLarge"}', Answer.TOO_LARGE),
    (APPLE, 429, [], '{"reason":"TooManyRequests"}', Answer.THROTTLED),
    (APPLE, 500, [], '{"reason":"InternalServerError"}', Answer.UNAVAILABLE),
    (APPLE, 503, [], '{"reason":"ServiceUnavailable"}', Answer.UNAVAILABLE),
    (WNS, 201, ["X-WNS-NotificationStatus: received"], "", Answer.ACCEPTED),
    (WNS, 200, ["x-wns-status: Received"], "", Answer.ACCEPTED),
    (WNS, 201, [], "", Answer.ACCEPTED),
    (WNS, 201, DROPPED, "", Answer.REJECTED),
    (WNS, 201, ["X-WNS-NotificationStatus: channelthrottled"], "", Answer.THROTTLED),
    (WNS, 400, TTL_CONFLICT, "", Answer.REJECTED),
    (WNS, 401, ["X-WNS-Error-Description: JWT Authentication Failed"], "", Answer.UNAUTHORIZED),
    (WNS, 404, [], "", Answer.GONE),
    (WNS, 406, ["Retry-After: 60", "X-WNS-Status: channelthrottled"], "", Answer.THROTTLED),
    (WNS, 410, [], "", Answer.GONE),
    (WNS, 413, [], "", Answer.TOO_LARGE),
    (WNS, 429, [], "", Answer.THROTTLED),
    (WNS, 500, [], "", Answer.UNAVAILABLE),
    (WNS, 503, ["Retry-After: 5"], "", Answer.UNAVAILABLE),
    (OTHER, 204, [], "", Answer.ACCEPTED),
    (OTHER, 301, ["Location: https://evil.example/"], "", Answer.REJECTED),
    (OTHER, 307, ["Location: http://127.0.0.1/"], "", Answer.REJECTED),
    (OTHER, 408, [], "", Answer.UNAVAILABLE),
    (OTHER, 418, [], "", Answer.REJECTED),
    (OTHER, 599, [], "", Answer.UNAVAILABLE),
    (OTHER, 999, [], "", Answer.REJECTED),
]


def reply(status: int, headers: list[str], body: str) -> Reply:
    lines = [f"HTTP/2 {status}", *headers, ""]
    return Reply(status, [line.encode() + b"\r\n" for line in lines], body.encode())


@pytest.mark.parametrize(("provider", "status", "headers", "body", "answer"), ROWS)
def test_each_answer_of_a_push_service_means_one_thing(
    provider: Provider, status: int, headers: list[str], body: str, answer: Answer
) -> None:
    verdict = classify(provider, reply(status, headers, body), NOW_AT)
    assert verdict.answer is answer
    assert verdict.status == status
    assert (verdict.reason == "") is (answer is Answer.ACCEPTED)


def test_every_rule_decides_at_least_one_row() -> None:
    deciding = set()
    for provider, status, headers, body, _ in ROWS:
        wns_status = reply(status, headers, body).header("X-WNS-NotificationStatus") or ""
        deciding.add(next(rule for rule in RULES if rule.fits(provider, status, body, wns_status)))
    assert deciding == set(RULES)


def test_only_404_and_410_end_a_subscription() -> None:
    for provider in Provider:
        for status in range(100, 600):
            verdict = classify(provider, reply(status, [], "gone unsubscribed expired"), NOW_AT)
            assert (verdict.answer is Answer.GONE) is (status in (404, 410))


def test_no_answer_at_all_is_unavailable_and_says_why() -> None:
    verdict = classify(FCM, Reply(0, error="Could not resolve host: fcm.googleapis.com (curl 6)"), NOW_AT)
    assert verdict.answer is Answer.UNAVAILABLE
    assert verdict.status == 0
    assert verdict.reason == "no answer: Could not resolve host: fcm.googleapis.com (curl 6)"


def test_only_throttled_and_unavailable_are_worth_another_attempt() -> None:
    assert {answer for answer in Answer if answer.retryable} == {Answer.THROTTLED, Answer.UNAVAILABLE}


def test_a_rule_from_the_field_can_be_switched_off() -> None:
    rules = tuple(rule for rule in RULES if rule.evidence != "R")
    told = reply(400, [], '{"reason":"VapidPkHashMismatch"}')
    assert classify(APPLE, told, NOW_AT, rules).answer is Answer.REJECTED


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        (None, None),
        ("0", 0),
        ("120", 120_000),
        ("Thu, 01 Jan 2026 00:02:00 GMT", 120_000),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0),
        ("Thursday, 01-Jan-26 00:02:00 GMT", 120_000),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("9" * 50, MAX_RETRY_AFTER),
        ("Fri, 01 Jan 9999 00:00:00 GMT", MAX_RETRY_AFTER),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(text: str | None, wait: int | None) -> None:
    assert parse_retry_after(text, NOW_AT) == wait


@given(st.text(max_size=60))
def test_any_retry_after_is_a_bounded_wait_or_none(text: str) -> None:
    wait = parse_retry_after(text, NOW_AT)
    assert wait is None or 0 <= wait <= MAX_RETRY_AFTER


def test_retry_after_counts_where_another_attempt_makes_sense() -> None:
    headers = ["Retry-After: 7"]
    assert classify(MOZILLA, reply(503, headers, ""), NOW_AT).retry_after_ms == 7000
    assert classify(FCM, reply(429, headers, ""), NOW_AT).retry_after_ms == 7000
    assert classify(WNS, reply(406, headers, ""), NOW_AT).retry_after_ms == 7000
    assert classify(FCM, reply(403, headers, ""), NOW_AT).retry_after_ms is None


def test_the_reason_holds_what_wns_says_in_its_headers() -> None:
    reason = classify(WNS, reply(400, TTL_CONFLICT, ""), NOW_AT).reason
    assert "dropped" in reason
    assert "Ttl value conflicts with X-WNS-Cache-Policy." in reason


@given(st.binary(max_size=2048))
def test_a_reason_is_one_short_printable_line_whatever_the_body(body: bytes) -> None:
    reason = classify(OTHER, Reply(400, [], body), NOW_AT).reason
    assert reason.isprintable()
    assert 0 < len(reason) <= 200


def test_a_reason_repeats_neither_endpoints_nor_tokens() -> None:
    body = f"no such endpoint https://push.example/secret-path; token eyJ{'x' * 100}.y was bad"
    reason = classify(OTHER, reply(400, [], body), NOW_AT).reason
    assert "secret-path" not in reason
    assert "xxx" not in reason
    assert reason.endswith("no such endpoint … token … was bad")


def test_a_header_is_read_from_the_final_answer_only() -> None:
    lines = [
        b"HTTP/1.1 103 Early Hints\r\n",
        b"Retry-After: 1\r\n",
        b"\r\n",
        b"HTTP/1.1 503 X\r\n",
        b"TTL:5\r\n",
        b"\r\n",
    ]
    told = Reply(503, lines)
    assert told.header("Retry-After") is None
    assert told.header("ttl") == "5"


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, Answer.ACCEPTED),
        (204, Answer.ACCEPTED),
        (404, Answer.NOT_THERE),
        (410, Answer.NOT_THERE),
        (400, Answer.REJECTED),
        (401, Answer.REJECTED),
        (403, Answer.REJECTED),
        (503, Answer.UNAVAILABLE),
    ],
)
def test_the_answer_to_a_deletion_says_nothing_of_the_subscription_and_of_the_key(
    status: int, answer: Answer
) -> None:
    verdict = classify(MOZILLA, Reply(status), NOW_AT, method="DELETE")
    assert (verdict.answer, verdict.status) == (answer, status)
