"""pywebpush as the reference: an implementation that shares nothing with ours but the RFCs and py_vapid."""

from pathlib import Path

import requests
from pywebpush import WebPushException, webpush

from gateway.commands.target import TTL, Target
from gateway.webpush import Reply, encode_base64url

TIMEOUT = 30.0  # seconds


def post_through_pywebpush(target: Target, ca_file: Path | None) -> Reply:
    """The same push, made and POSTed by pywebpush. Blocks: run it in a thread."""
    session = requests.Session()
    if ca_file is not None:
        session.verify = str(ca_file)
    try:
        answer = webpush(
            subscription_info={
                "endpoint": target.subscription.endpoint,
                "keys": {
                    "p256dh": encode_base64url(target.subscription.p256dh),
                    "auth": encode_base64url(target.subscription.auth),
                },
            },
            data=target.plaintext,
            vapid_private_key=encode_base64url(target.key.raw),
            vapid_claims={"sub": target.contact},
            ttl=TTL,
            headers={"Content-Type": "application/octet-stream"},
            timeout=TIMEOUT,
            requests_session=session,
        )
    except WebPushException as exc:
        if exc.response is None:
            return Reply(0, error=exc.message)
        answer = exc.response
    except requests.RequestException as exc:
        return Reply(0, error=type(exc).__name__)
    finally:
        session.close()
    lines = [f"{name}: {value}".encode("latin-1", "replace") for name, value in answer.headers.items()]
    return Reply(answer.status_code, lines, answer.content[:2048])
