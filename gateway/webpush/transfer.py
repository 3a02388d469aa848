"""One reusable libcurl handle and the request that it carries at the moment."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pycurl

from gateway.webpush.address import is_public
from gateway.webpush.proxy import DIRECT
from gateway.webpush.request import PushRequest
from gateway.webpush.transport import OnReply, Reply

MAX_BODY: Final = 2048  # kept of an answer: push services explain themselves in a line
MAX_READ: Final = 65_536  # an answer that goes on longer than this is cut off
AGAIN_EACH: Final = 0.2  # of what a push service answers, so many other requests may be sent to it again
AGAIN_TOGETHER: Final = 500.0  # and so many at a time: connections that were opened together end together


@dataclass(slots=True)
class Peer:
    """How an origin is reached, and how many requests went and are on their way to it."""

    private_allowed: bool
    proxy: str
    posted: int = 0
    in_flight: int = 0
    again: float = 0.0  # requests that may be sent once more

    def answered(self) -> None:
        """It answered a request."""
        self.again = min(self.again + AGAIN_EACH, AGAIN_TOGETHER)

    def take_again(self) -> bool:
        """Whether one more request may be sent again; if so, it is counted."""
        if self.again < 1.0:
            return False
        self.again -= 1.0
        return True


class Transfer:
    """A handle is set up once and then only told what differs from its previous request: each option costs
    time.
    """

    def __init__(self, ca_file: Path, connect_timeout: float, total_timeout: float) -> None:
        self.curl: Any = pycurl.Curl()
        self.curl.transfer = self
        self._request: PushRequest | None = None
        self._on_reply: OnReply | None = None
        self._peer: Peer | None = None
        self.posted_at = 0.0  # seconds on the loop's clock
        self.sent_again = 0  # times
        self._total_ms = int(total_timeout * 1000)
        self._headers: list[str] | None = None
        self._proxy = DIRECT
        self._wait = True
        self._method = "POST"
        self._lines: list[bytes] = []
        self._chunks: list[bytes] = []
        self._read = 0
        self._refused = ""
        self._set_up(ca_file, connect_timeout)

    def _set_up(self, ca_file: Path, connect_timeout: float) -> None:
        set_option = self.curl.setopt
        set_option(pycurl.PROTOCOLS, pycurl.PROTO_HTTPS)
        set_option(pycurl.FOLLOWLOCATION, 0)
        set_option(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        set_option(pycurl.CAINFO, str(ca_file))
        set_option(pycurl.PROXY_CAINFO, str(ca_file))
        set_option(pycurl.PROXY, DIRECT)  # not what libcurl would find in the environment
        set_option(pycurl.NOPROXY, "")
        set_option(pycurl.NOSIGNAL, 1)
        set_option(pycurl.PIPEWAIT, 1)
        # The least that libcurl allows, instead of 64 kB: it halves the memory of a request in flight.
        set_option(pycurl.UPLOAD_BUFFERSIZE, 16_384)
        set_option(pycurl.CONNECTTIMEOUT_MS, int(connect_timeout * 1000))
        set_option(pycurl.TIMEOUT_MS, self._total_ms)
        set_option(pycurl.USERAGENT, "webpush-gateway")
        set_option(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        set_option(pycurl.HEADERFUNCTION, self._lines.append)
        set_option(pycurl.WRITEFUNCTION, self._on_body)

    def prepare(
        self, request: PushRequest, on_reply: OnReply, peer: Peer, posted_at: float, *, wait: bool
    ) -> None:
        """Take a request. `wait` for a connection that is being opened to the same place rather than open
        another.
        """
        self._request, self._on_reply, self._peer = request, on_reply, peer
        self.posted_at = posted_at
        set_option = self.curl.setopt
        set_option(pycurl.URL, request.url)
        set_option(pycurl.POSTFIELDS, request.body)
        if request.headers is not self._headers:
            set_option(pycurl.HTTPHEADER, request.headers)
            self._headers = request.headers
        if request.method != self._method:
            self._set_method(request.method)
        if peer.proxy != self._proxy:
            set_option(pycurl.PROXY, peer.proxy)
            self._proxy = peer.proxy
        if wait != self._wait:
            set_option(pycurl.PIPEWAIT, int(wait))
            self._wait = wait

    def _set_method(self, method: str) -> None:
        if method == "POST":
            self.curl.unsetopt(pycurl.CUSTOMREQUEST)
        else:
            self.curl.setopt(pycurl.CUSTOMREQUEST, method)
        self._method = method

    @property
    def peer(self) -> Peer:
        """Of the request that it carries."""
        assert self._peer is not None
        return self._peer

    def prepare_again(self, left: float) -> None:
        """Get ready to send the same request once more, within `left` seconds."""
        self.sent_again += 1
        self._forget_reply()
        self.curl.setopt(pycurl.TIMEOUT_MS, int(left * 1000))

    def reply(self, code: int = 0, message: str = "") -> Reply:
        """What came back. An answer whose status was read is one, even if the connection broke after it."""
        status: int = self.curl.getinfo(pycurl.RESPONSE_CODE)
        if status >= 200:
            return Reply(status, self._lines[:], b"".join(self._chunks)[:MAX_BODY])
        return Reply(0, error=self._refused or f"{message} (curl {code})")

    def release(self, *, answered: bool) -> tuple[PushRequest, OnReply]:
        """Give the request back and become free for the next."""
        assert self._request is not None
        assert self._on_reply is not None
        peer, taken = self.peer, (self._request, self._on_reply)
        peer.in_flight -= 1
        if answered:
            peer.answered()
        self._request = self._on_reply = self._peer = None
        self._forget_reply()
        if self.sent_again:
            self.curl.setopt(pycurl.TIMEOUT_MS, self._total_ms)
            self.sent_again = 0
        return taken

    def _forget_reply(self) -> None:
        self._lines.clear()
        self._chunks.clear()
        self._read = 0
        self._refused = ""

    def close(self) -> None:
        """Free the handle. It must not be in use."""
        self.curl.close()
        del self.curl.transfer

    def _on_body(self, chunk: bytes) -> int:
        self._read += len(chunk)
        if self._read > MAX_READ:
            return 0
        if self._read - len(chunk) < MAX_BODY:
            self._chunks.append(chunk)
        return len(chunk)

    def _open_socket(self, _purpose: int, address: Any) -> Any:
        """Make the socket that libcurl asks for, unless the push host resolves to an address of somebody's
        inside.

        Behind a proxy libcurl connects to nothing but the proxy, which the operator named: it may be
        anywhere.
        """
        assert self._peer is not None
        if address.family not in (socket.AF_INET, socket.AF_INET6):
            self._refused = "the push host does not resolve to an internet address"
            return pycurl.SOCKET_BAD
        if not (self._peer.private_allowed or self._peer.proxy or is_public(address.addr[0])):
            self._refused = f"the push host resolves to {address.addr[0]}, which is not a public address"
            return pycurl.SOCKET_BAD
        return _Lent(address.family, address.socktype, address.protocol)


class _Lent(socket.socket):
    """pycurl duplicates the descriptor of what it is given and drops it: closed then, without a
    ResourceWarning.
    """

    def __del__(self) -> None:
        self.close()
