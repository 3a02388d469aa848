"""Windows push notification services (Edge): bodies stay empty, the reason is in the headers."""

import secrets

from tests.fakes.rules import Push, Reply, Target, headers
from tests.fakes.rules.vapid import Fault, VapidError, verify

MAX_BODY = 5000


def judge(push: Push, target: Target | None, now: int) -> Reply:
    if push.method != "POST":
        return _drop(405, "Only POST is supported.")
    if target is None:
        return _drop(404, "The channel URI is not valid.")
    try:
        vapid = verify(push.header("Authorization"), target.origin, now)
    except VapidError as error:
        if error.fault is Fault.BAD_SIGNATURE:
            return _drop(401, "JWT Authentication Failed, unable to validate token signature")
        return _drop(401, f"JWT Authentication Failed, {error}")
    if target.application_server_key not in (None, vapid.key):
        return _drop(401, "JWT Authentication Failed, unable to validate token signature")
    if target.gone:
        return _drop(410, "The channel expired.")
    return _judge_message(push)


def _judge_message(push: Push) -> Reply:
    if "Transfer-Encoding" in push.headers:
        return _drop(400, "Chunked requests are not supported.")
    if len(push.body) > MAX_BODY:
        return _drop(413, "The notification payload exceeds the 5000 byte size limit.")
    ttl = headers.ttl(push)
    if ttl is None or ttl < 0:
        return _drop(400, "Ttl is missing or invalid.")
    if (ttl == 0) != (push.header("X-WNS-Cache-Policy") == "no-cache"):
        return _drop(400, "Ttl value conflicts with X-WNS-Cache-Policy.")
    if not (
        headers.topic_is_valid(push) and headers.urgency_is_valid(push) and headers.encoding_is_valid(push)
    ):
        return _drop(400, "One or more headers are specified incorrectly.")
    return Reply(201, {"X-WNS-Status": "connected", "X-WNS-NotificationStatus": "received", **_trace()})


def _drop(status: int, description: str) -> Reply:
    head = {
        "X-WNS-Status": "dropped",
        "X-WNS-NotificationStatus": "dropped",
        "X-WNS-Error-Description": description,
    }
    return Reply(status, {**head, **_trace()})


def _trace() -> dict[str, str]:
    return {"X-WNS-Msg-ID": secrets.token_hex(8).upper()}
