"""The transport on libcurl's multi interface inside the event loop: HTTP/2 multiplexed, HTTP/1.1 where that
is all.

libcurl tells which sockets and which time to wait for (M_SOCKETFUNCTION, M_TIMERFUNCTION), the loop waits,
and `socket_action` does what became possible. It also decides when a connection is full and opens the next.
"""

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pycurl

from gateway.webpush.endpoint import Origin
from gateway.webpush.errors import NoCertificates
from gateway.webpush.proxy import ProxySettings
from gateway.webpush.request import PushRequest
from gateway.webpush.transfer import Peer, Transfer
from gateway.webpush.transport import OnReply, Reply

STREAMS_PER_CONNECTION: Final = (
    100  # RFC 9113 asks for no less; nginx and the push services offer as much or more
)
MAX_PEERS: Final = 1024
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
        self._drained: asyncio.Event | None = None
        self._closed = False
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
        transfer.prepare(request, on_reply, peer, wait=peer.posted % STREAMS_PER_CONNECTION != 0)
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
        if self._timer is not None:
            self._timer.cancel()
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
        changes: tuple[tuple[int, int, Callable[..., Any], Callable[..., Any]], ...] = (
            (pycurl.POLL_IN, pycurl.CSELECT_IN, self._loop.add_reader, self._loop.remove_reader),
            (pycurl.POLL_OUT, pycurl.CSELECT_OUT, self._loop.add_writer, self._loop.remove_writer),
        )
        for bit, event, add, remove in changes:
            if after & bit and not before & bit:
                add(fd, self._act, fd, event)
            elif before & bit and not after & bit:
                remove(fd)

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
                self._finish(curl.transfer, curl.transfer.reply(code, message))

    def _finish(self, transfer: Transfer, reply: Reply) -> None:
        if transfer not in self._active:  # replied to by `close`, called from an `on_reply` before this one
            return
        self._active.discard(transfer)
        self._multi.remove_handle(transfer.curl)
        request, on_reply = transfer.release()
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
