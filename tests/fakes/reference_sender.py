"""pywebpush as an independent sender: what proves the fakes and the browsers without the gateway."""

import base64
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives import serialization
from py_vapid import Vapid02
from pywebpush import WebPusher

from tests.fakes.user_agent import origin_of


class ReferenceSender:
    """Sends one message at a time, blocking, through the egress proxy at `proxy` (a URL)."""

    def __init__(self, ca_file: Path, proxy: str = "") -> None:
        self.proxy = proxy
        self.vapid = self.new_key()
        self._session = requests.Session()
        self._session.verify = str(ca_file)
        self._session.trust_env = False

    def close(self) -> None:
        self._session.close()

    @staticmethod
    def new_key() -> Any:
        vapid = Vapid02()
        vapid.generate_keys()
        return vapid

    def send(
        self,
        subscription: dict[str, Any],
        data: str | None,
        *,
        headers: dict[str, str | None],
        exp: int,
        aud: str | None = None,
        sub: str = "mailto:ops@example.com",
        vapid: Any = None,
    ) -> requests.Response:
        """POST `data` encrypted for `subscription`; a header that is None or empty is left out."""
        endpoint: str = subscription["endpoint"]
        claims = {"sub": sub, "aud": aud or origin_of(endpoint), "exp": exp}
        sent = dict((vapid or self.vapid).sign(claims)) | headers
        body = b""
        if data is not None:
            body = WebPusher(subscription).encode(data.encode(), "aes128gcm")["body"]
            sent["Content-Encoding"] = "aes128gcm"
        local = endpoint.startswith("https://localhost:")
        return self._session.post(
            endpoint,
            data=body,
            headers={name: value for name, value in sent.items() if value},
            proxies={} if local else {"https": self.proxy},
            timeout=10,
        )


def public_key(vapid: Any) -> str:
    """The application server key, base64url as `pushManager.subscribe` takes it."""
    point = vapid.public_key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()
