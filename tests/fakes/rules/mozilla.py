"""Mozilla's autoendpoint: checks in its order, error numbers from its documentation."""

import json
from http import HTTPStatus

from tests.fakes.rules import Push, Reply, Target, headers
from tests.fakes.rules.vapid import Fault, VapidError, verify

MAX_TTL = 30 * 24 * 3600
_MORE_INFO = "https://mozilla-services.github.io/autopush-rs/errors.html"
_WORDS = {
    Fault.EXPIRY_TOO_FAR: "The VAPID token expiration is too long",
    Fault.WRONG_AUDIENCE: "Invalid VAPID audience",
    Fault.EXPIRED: "The VAPID token has expired",
}


def judge(push: Push, target: Target | None, now: int) -> Reply:
    if push.method != "POST":
        return Reply(405)
    if target is None:
        return _error(404, 102, "Invalid URL endpoint")
    try:
        vapid = verify(push.header("Authorization"), target.origin, now)
    except VapidError as error:
        return _error(401, 109, _WORDS.get(error.fault, f"VAPID: {error}"))
    if not isinstance(vapid.claims.get("sub", ""), str):
        return _error(401, 109, "Invalid VAPID subject")
    if target.application_server_key not in (None, vapid.key):
        return _error(401, 109, "VAPID public key mismatch")
    if target.gone:
        return _error(410, 106, "No such subscription", {"Cache-Control": "max-age=86400"})
    return _judge_message(push)


def _judge_message(push: Push) -> Reply:
    if len(push.body) > headers.MAX_BODY:
        return _error(413, 104, "This message is intended for a constrained device and is limited in size")
    ttl = headers.ttl(push)
    if ttl is None:
        return _error(400, 111, "Missing or invalid TTL header")
    if ttl < 0:
        return _error(400, 114, "TTL must be greater than or equal to 0")
    if not headers.topic_is_valid(push):
        return _error(400, 113, "Invalid Topic header")
    if not headers.encoding_is_valid(push):
        return _error(400, 110, "Invalid crypto headers")
    return Reply(201, {"TTL": str(min(ttl, MAX_TTL))})


def _error(status: int, errno: int, message: str, extra: dict[str, str] | None = None) -> Reply:
    body = {
        "code": status,
        "errno": errno,
        "error": HTTPStatus(status).phrase,
        "message": message,
        "more_info": _MORE_INFO,
    }
    return Reply(status, {"Content-Type": "application/json", **(extra or {})}, json.dumps(body).encode())
