"""A push service that keeps to the letter of RFC 8030, 8291 and 8292 and forgives nothing: any other host."""

from tests.fakes.rules import Push, Reply, Target, headers
from tests.fakes.rules.vapid import VapidError, verify


def judge(push: Push, target: Target | None, now: int) -> Reply:
    if push.method != "POST":
        return _say(405, "POST only")
    if target is None:
        return _say(404, "no such push resource")
    try:
        vapid = verify(push.header("Authorization"), target.origin, now)
    except VapidError as error:
        return _say(403, str(error))
    if target.application_server_key not in (None, vapid.key):
        return _say(403, "another application server key than the subscription's")
    if target.gone:
        return _say(410, "the subscription has expired")
    return _judge_message(push)


def _judge_message(push: Push) -> Reply:
    if len(push.body) > headers.MAX_BODY:
        return _say(413, "more than 4096 bytes")
    ttl = headers.ttl(push)
    if ttl is None or ttl < 0:
        return _say(400, "TTL is missing or not a number of seconds")
    if not headers.topic_is_valid(push):
        return _say(400, "Topic is not at most 32 characters of base64url")
    if not headers.urgency_is_valid(push):
        return _say(400, "Urgency is not one of the four values")
    if not headers.encoding_is_valid(push):
        return _say(400, "the body is not aes128gcm")
    if push.body and push.header("Content-Type") != "application/octet-stream":
        return _say(415, "Content-Type is not application/octet-stream")
    if "Content-Length" not in push.headers:
        return _say(411, "Content-Length is missing")
    return Reply(201, {"TTL": str(ttl)})


def _say(status: int, text: str) -> Reply:
    return Reply(status, {"Content-Type": "text/plain; charset=utf-8"}, text.encode())
