"""Firebase Cloud Messaging's web push side (Chrome). Bodies are text and end with a line feed."""

from tests.fakes.rules import Push, Reply, Target, headers
from tests.fakes.rules.vapid import Fault, VapidError, verify

MAX_TTL = 28 * 24 * 3600
_WORDS = {
    Fault.MALFORMED: "authorization header had invalid format. authorization header should have the "
    "following format: t=jwtToken; k=base64(publicApplicationServerKey)",
    Fault.BAD_KEY: "make sure the public key is base64url-encoded [RFC7515]",
    Fault.BAD_TOKEN: "permission denied: invalid JWT provided",
    Fault.BAD_SIGNATURE: "permission denied: invalid JWT provided",
    Fault.NO_EXPIRY: "exp claim is missing",
    Fault.EXPIRED: "token has expired",
    Fault.EXPIRY_TOO_FAR: "exp claim MUST NOT be more than 24 hours from the time of the request",
    Fault.WRONG_AUDIENCE: "aud claim in the token MUST include the origin of the push resource URL",
}


def judge(push: Push, target: Target | None, now: int) -> Reply:
    if push.method != "POST":
        return _say(405, "HTTP method POST is expected")
    if target is None:
        return _say(
            404,
            "A valid push subscription endpoint should be specified in the URL as such: "
            "https://fcm.googleapis.com/wp/dHIoDxE7Hdg:APA91bH1Zj0kNa...",
        )
    try:
        vapid = verify(push.header("Authorization"), target.origin, now)
    except VapidError as error:
        if error.fault is Fault.MISSING:
            return _say(401, "Authorization header must be specified")
        return _say(403, _WORDS[error.fault])
    if target.application_server_key not in (None, vapid.key):
        return _say(
            403,
            "the VAPID credentials in the authorization header do not correspond to the credentials used to "
            "create the subscriptions",
        )
    if target.gone:
        return _say(410, "push subscription has unsubscribed or expired")
    return _judge_message(push)


def _judge_message(push: Push) -> Reply:
    if len(push.body) > headers.MAX_BODY:
        return _say(400, "binary data passed in the request must be less than 4096 bytes")
    ttl = headers.ttl(push)
    if ttl is None or not 0 <= ttl <= MAX_TTL:
        return _say(400, "InvalidTtlParameter")
    if not headers.topic_is_valid(push):
        return _say(400, "topic header had invalid format")
    if not headers.urgency_is_valid(push):
        return _say(400, "urgency header had invalid format")
    if not headers.encoding_is_valid(push):
        return _say(400, "content-encoding header had invalid format")
    return Reply(201)


def _say(status: int, text: str) -> Reply:
    return Reply(status, {"Content-Type": "text/plain; charset=utf-8"}, f"{text}\n".encode())
