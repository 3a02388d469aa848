"""Apple's web push, from "Sending web push notifications in web apps and browsers" and from field reports."""

import json
import re
import uuid

from tests.fakes.rules import Push, Reply, Target, headers
from tests.fakes.rules.vapid import Fault, Vapid, VapidError, verify

_SUBJECT = re.compile(r"mailto:[^\s<>@]+@[^\s<>@]+|https://[^\s<>/]+(/\S*)?")


def judge(push: Push, target: Target | None, now: int) -> Reply:
    if push.method != "POST":
        return _refuse(405, "MethodNotAllowed")
    if target is None:
        return _refuse(404, "BadPath")
    try:
        vapid = verify(push.header("Authorization"), target.origin, now)
    except VapidError as error:
        return _refuse_vapid(error.fault)
    if not _subject_is_valid(vapid):
        return _refuse(403, "BadJwtToken")
    if target.application_server_key not in (None, vapid.key):
        return _refuse(400, "VapidPkHashMismatch")
    if target.gone:
        return _refuse(410, "Unregistered")
    return _judge_message(push)


def _refuse_vapid(fault: Fault) -> Reply:
    if fault is Fault.MALFORMED:
        return _refuse(403, "BadAuthorizationHeader")
    if fault is Fault.BAD_KEY:
        return _refuse(403, "BadVapidPublicKey")
    return _refuse(403, "BadJwtToken")


def _subject_is_valid(vapid: Vapid) -> bool:
    """A URL or mailto: of a real host: localhost, .local and angle brackets were refused in the field."""
    subject = vapid.claims.get("sub")
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        return False
    host = subject.removeprefix("https://").rpartition("@")[2].partition("/")[0].partition(":")[0].lower()
    return host != "localhost" and not host.endswith((".local", ".localhost"))


def _judge_message(push: Push) -> Reply:
    if len(push.body) > headers.MAX_BODY:
        return _refuse(413, "PayloadTooLarge")
    ttl = headers.ttl(push)
    if ttl is None or ttl <= 0:
        return _refuse(400, "BadTtl")
    if not headers.urgency_is_valid(push):
        return _refuse(400, "BadUrgency")
    # A topic must also decode as base64: no encoded text has this length.
    if not headers.topic_is_valid(push) or len(push.header("Topic")) % 4 == 1:
        return _refuse(400, "BadWebPushTopic")
    if not headers.encoding_is_valid(push):
        return _refuse(400, "BadWebPushRequest")
    return Reply(201, {"apns-id": str(uuid.uuid4())})


def _refuse(status: int, reason: str) -> Reply:
    head = {"Content-Type": "application/json", "apns-id": str(uuid.uuid4())}
    return Reply(status, head, json.dumps({"reason": reason}).encode())
