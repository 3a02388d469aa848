"""The transport on libcurl's multi interface inside the event loop: HTTP/2 multiplexed, HTTP/1.1 where that
is all.

libcurl tells which sockets and which time to wait for (M_SOCKETFUNCTION, M_TIMERFUNCTION), the loop waits,
and `socket_action` does what became possible. It also decides when a connection is full and opens the next.
"""

import asyncio
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pycurl

from gateway.webpush.endpoint import Origin
from gateway.webpush.errors import NoCertificates
from gateway.webpush.observed import Observed
from gateway.webpush.proxy import ProxySettings
from gateway.webpush.request import PushRequest
from gateway.webpush.transfer import Peer, Transfer
from gateway.webpush.transport import OnReply, Reply

STREAMS_PER_CONNECTION: Final = (
    100  # RFC 9113 asks for no less; nginx and the push services offer as much or more
)
MAX_PEERS: Final = 1024
# A connection that ends leaves unanswered what was written to it last. libcurl sends that again by itself,
# up to five times, if reading tells it so, but not if writing does (55), or neither (16).
LOST: Final = frozenset({pycurl.E_SEND_ERROR, pycurl.E_HTTP2})
MOST_AGAIN: Final = 2  # times that one request is sent again
LEAST_LEFT: Final = 1.0  # seconds of a request's time: with less it is not worth a try
LOOK_AGAIN: Final = 0.05  # seconds until a connection that fell silent is looked at once more
_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Times in seconds, numbers of connections. A request beyond what the connections hold waits inside its
    `total`.
    """

    connect: float = 10.0
    total: float = 30.0
    connections_per_origin: int = 64
    connections: int = 256


class CurlTransport:
    """A Transport for one event loop (asyncio's or uvloop); made and used inside it."""

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        proxy: ProxySettings | None = None,
        limits: TransportLimits | None = None,
    ) -> None:
        """`ca_file` holds the authorities to trust (None: the system's), `proxy` the way out (None: as the
        environment says).

        Raises NoCertificates when there is no such file.
        """
        self._loop = asyncio.get_running_loop()
        self._ca_file = _find_ca_file(ca_file)
        self._proxy = ProxySettings.from_environment(os.environ) if proxy is None else proxy
        self._limits = TransportLimits() if limits is None else limits
        self._peers: dict[str, Peer] = {}
        self._idle: list[Transfer] = []
        self._active: set[Transfer] = set()
        self._watched: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._soon = False  # `_on_soon` is scheduled
        self._heard: set[int] = set()  # connections that had something to read since the last look
        self._silent: set[int] = set()  # those that had before
        self._look: asyncio.TimerHandle | None = None
        self._drained: asyncio.Event | None = None
        self._closed = False
        self.observed = Observed()
        self._multi = self._make_multi()

    @property
    def in_flight(self) -> int:
        """Requests that were posted and have not been replied to."""
        return len(self._active)

    def post(self, request: PushRequest, on_reply: OnReply) -> None:
        """Start one POST; see Transport. RuntimeError after `close`."""
        if self._closed:
            raise RuntimeError("the transport is closed")
        peer = self._peers.get(request.origin.text) or self._add_peer(request.origin)
        transfer = self._idle.pop() if self._idle else self._make_transfer()
        # When all connections are full, every hundredth request opens another at once and the rest wait for
        # it. If all waited, connections would come one after another, a few a second over a long way; if none
        # did, a burst would open one per request.
        wait = peer.posted % STREAMS_PER_CONNECTION != 0
        transfer.prepare(request, on_reply, peer, self._loop.time(), wait=wait)
        self._multi.add_handle(transfer.curl)
        peer.posted += 1
        peer.in_flight += 1
        self._active.add(transfer)

    async def drain(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until nothing is in flight; whether that came true."""
        if self._active:
            self._drained = self._drained or asyncio.Event()
            try:
                await asyncio.wait_for(self._drained.wait(), timeout)
            except TimeoutError:
                return False
        return True

    def close(self) -> None:
        """Reply with an error to what is still in flight, and close all connections."""
        if self._closed:
            return
        self._closed = True
        for transfer in list(self._active):
            self._finish(transfer, Reply(0, error="the gateway is stopping"))
        for timer in (self._timer, self._look):
            if timer is not None:
                timer.cancel()
        for fd in list(self._watched):
            self._watch(pycurl.POLL_REMOVE, fd)
        self._multi.close()
        for transfer in self._idle:
            transfer.close()
        self._idle.clear()

    def _make_multi(self) -> Any:
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, STREAMS_PER_CONNECTION)
        multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, self._limits.connections_per_origin)
        multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, self._limits.connections)
        multi.setopt(pycurl.M_MAXCONNECTS, self._limits.connections)
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        return multi

    def _make_transfer(self) -> Transfer:
        return Transfer(self._ca_file, self._limits.connect, self._limits.total)

    def _add_peer(self, origin: Origin) -> Peer:
        if len(self._peers) >= MAX_PEERS:
            self._peers = {name: peer for name, peer in self._peers.items() if peer.in_flight}
        peer = Peer(origin.configured, self._proxy.for_host(origin.host))
        self._peers[origin.text] = peer
        return peer

    def _on_watch(self, what: int, fd: int, _multi: Any, _data: Any) -> None:
        if not self._closed:
            self._watch(what, fd)

    def _watch(self, what: int, fd: int) -> None:
        before = self._watched.pop(fd, 0)
        after = 0 if what == pycurl.POLL_REMOVE else what
        if after:
            self._watched[fd] = after
        changes: tuple[tuple[int, Callable[[int], None], Callable[..., Any], Callable[..., Any]], ...] = (
            (pycurl.POLL_IN, self._on_readable, self._loop.add_reader, self._loop.remove_reader),
            (pycurl.POLL_OUT, self._on_writable, self._loop.add_writer, self._loop.remove_writer),
        )
        for bit, on_event, add, remove in changes:
            if after & bit and not before & bit:
                add(fd, on_event, fd)
            elif before & bit and not after & bit:
                remove(fd)

    def _on_readable(self, fd: int) -> None:
        self._heard.add(fd)
        if self._look is None:
            self._look = self._loop.call_later(LOOK_AGAIN, self._look_again)
        self._act(fd, pycurl.CSELECT_IN)

    def _on_writable(self, fd: int) -> None:
        self._act(fd, pycurl.CSELECT_OUT)

    def _look_again(self) -> None:
        """Let libcurl read on where it stopped too early.

        It has OpenSSL read ahead, and stops reading once the answer it was after is there. If that is the
        last request that it serves in this turn, the answers behind it stay in OpenSSL's buffer, where no
        poll sees them, until something else arrives: at the end of a broadcast, never.
        """
        self._look = None
        silent, self._silent, self._heard = self._silent - self._heard, self._heard, set()
        for fd in silent:
            if self._watched.get(fd, 0) & pycurl.POLL_IN:
                before = len(self._active)
                self._act(fd, pycurl.CSELECT_IN)
                if len(self._active) < before:  # there may be more
                    self._heard.add(fd)
        if (self._silent or self._heard) and self._active and not self._closed:
            self._look = self._loop.call_later(LOOK_AGAIN, self._look_again)

    def _on_timer(self, timeout_ms: int) -> None:
        if timeout_ms == 0 and self._soon:  # said with every request that is added: one turn serves them all
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closed or timeout_ms < 0:
            return
        if timeout_ms == 0:  # libcurl must not be entered from its own callback
            self._soon = True
            self._loop.call_soon(self._on_soon)
        else:
            self._timer = self._loop.call_later(timeout_ms / 1000, self._on_time)

    def _on_soon(self) -> None:
        self._soon = False
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _on_time(self) -> None:
        self._timer = None
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, fd: int, event: int) -> None:
        if self._closed:  # scheduled before it was closed in the same turn of the loop
            return
        self._multi.socket_action(fd, event)
        more = 1
        while more and not self._closed:
            more, done, failed = self._multi.info_read()
            for curl in done:
                self._finish(curl.transfer, curl.transfer.reply())
            for curl, code, message in failed:
                self.observed.failed(code, message)
                reply = curl.transfer.reply(code, message)
                if reply.status or code not in LOST or not self._send_again(curl.transfer):
                    self._finish(curl.transfer, reply)

    def _send_again(self, transfer: Transfer) -> bool:
        """Send at once, on another connection, what a lost one left unanswered; whether that was done.

        Push services end connections as they please, after a thousand requests or an hour: that is no failure
        of theirs, and must not narrow windows. But one that answers nothing is not asked more often for it.
        """
        if transfer not in self._active:  # as in `_finish`
            return False
        left = self._limits.total - (self._loop.time() - transfer.posted_at)
        if left < LEAST_LEFT or transfer.sent_again >= MOST_AGAIN or not transfer.peer.take_again():
            return False
        self._multi.remove_handle(transfer.curl)
        transfer.prepare_again(left)
        self._multi.add_handle(transfer.curl)
        return True

    def _finish(self, transfer: Transfer, reply: Reply) -> None:
        if transfer not in self._active:  # replied to by `close`, called from an `on_reply` before this one
            return
        self._active.discard(transfer)
        self._multi.remove_handle(transfer.curl)
        request, on_reply = transfer.release(answered=reply.status > 0)
        if self.observed.wants_date and reply.status:
            self.observed.answered(request.origin.host, reply, time.time())
        self._idle.append(transfer)
        try:
            on_reply(request, reply)
        except (
            Exception
        ) as error:  # one caller's mistake must not leave the other replies of this turn unread
            self._loop.call_exception_handler({"message": "on_reply failed", "exception": error})
        if self._drained is not None and not self._active:
            self._drained.set()
            self._drained = None


def _find_ca_file(configured: Path | None) -> Path:
    """libcurl's own default is where the machine that built it had its bundle, which is rarely where ours
    is.
    """
    if configured is not None:
        if not configured.is_file():
            raise NoCertificates(f"there is no file {configured}")
        return configured
    candidates = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    found = next((Path(name) for name in candidates if name and Path(name).is_file()), None)
    if found is None:
        raise NoCertificates("no certificate authorities found: install the package ca-certificates")
    return found
