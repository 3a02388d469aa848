"""Our own accept loop: every connection is counted, and none that was accepted goes without an answer."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

from aiohttp import web

from gateway.errors import CannotStart
from gateway.logs import Log
from gateway.openfiles.connection import Connection
from gateway.openfiles.connections import Connections, Counts
from gateway.openfiles.direct import Direct
from gateway.openfiles.refusal import Refusal

log = Log(__name__)

BACKLOG = 4096
HEAD_TIMEOUT = 10.0
READ_TIMEOUT = 60.0  # seconds that a caller may leave an answer unread

_BURST = 64  # accepted in a row before others get a turn
_HEARD_OUT = 2.0  # seconds that a refused caller may take to read its answer and hang up
_SHORTEST_HEARING = 0.1  # seconds, when others wait to be refused
_WARNING_PAUSE = 10.0  # seconds between two lines about refusals, however many there are

_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# accept(2), "Error handling": Linux passes on what went wrong on the new connection; the next may be fine.
_THE_CALLERS = {
    errno.ECONNABORTED,
    errno.EPROTO,
    errno.ENETDOWN,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EOPNOTSUPP,
    errno.ENOPROTOOPT,
    errno.EPERM,
}


def listen(
    host: str,
    port: int,
    *,
    read_timeout: float = READ_TIMEOUT,
    setting: str = "GATEWAY_PORT",
    shared: bool = False,
) -> list[socket.socket]:
    """Listening sockets for every address of `host`. CannotStart when one is taken or not ours;
    `setting` is where the operator chose the port. `shared`: other processes of this user that say so too may
    listen there as well, and the system shares new connections out between them.

    The system itself ends a connection whose peer has read nothing for `read_timeout` seconds while there was
    something to read: neither aiohttp nor the event loop ever would, however the answer was written.
    """
    listeners: list[socket.socket] = []
    missing: OSError | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                listener = socket.create_server(
                    address[:2], family=family, backlog=BACKLOG, reuse_port=shared
                )
            except OSError as exc:
                # `localhost` is ::1 too, on machines that have no IPv6 as well as on those that have.
                if exc.errno not in _NOT_HERE:
                    raise
                missing = exc
                continue
            listener.setblocking(False)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted connections inherit it (tcp(7))
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(read_timeout * 1000))
            listeners.append(listener)
        if missing is not None and not listeners:
            raise missing
    except OSError as exc:
        for listener in listeners:
            listener.close()
        raise CannotStart(
            f"Cannot listen on {host} port {port} ({exc.strerror}): "
            f"stop what listens there, or set GATEWAY_HOST and {setting}."
        ) from exc
    return listeners


class Acceptor:
    """Feeds connections to an aiohttp server, never holding more than `budget` descriptors at once.

    Over the budget the longest idle keep-alive connection makes room, or one that has said nothing for a
    fifth of `head_timeout`; when there is none the caller is answered 503 with Retry-After. A connection
    whose head is not in after `head_timeout` seconds is closed in any case. `direct` answers what it takes
    in the server's place.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        server: web.Server,
        budget: int,
        *,
        head_timeout: float = HEAD_TIMEOUT,
        direct: Direct | None = None,
    ) -> None:
        self._direct = direct
        self.counts = Counts()
        # A little of the budget is kept for connections on their way out: being refused, being shed.
        self._leaving = max(2, budget // 16)
        self.capacity = max(1, budget - 2 * self._leaving)
        self._listeners = listeners
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._freed = asyncio.Event()
        self._connections = Connections(self.counts, head_timeout, self._freed)
        self._refusals: dict[Refusal, asyncio.TimerHandle] = {}  # oldest first
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_warning = 0.0

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    async def run(self) -> None:
        """Accept until cancelled; then the listeners are closed and nothing new begins.

        Connections that are open stay open: `web.Server.shutdown` (or the runner's `cleanup`) ends them.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                for listener in self._listeners:
                    tasks.create_task(self._accept_from(listener), name=f"accept-{listener.fileno()}")
        finally:
            for listener in self._listeners:
                listener.close()
            if self._tasks:
                await asyncio.wait(self._tasks)
            for refusal in list(self._refusals):
                refusal.finish()

    async def _accept_from(self, listener: socket.socket) -> None:
        in_a_row, pause = 0, 0.05
        while True:
            try:
                caller, _ = await self._loop.sock_accept(listener)
            except OSError as exc:
                if exc.errno in _EXHAUSTED:
                    self.counts.accept_failures += 1
                    self._warn(exc)
                    self._connections.shed_one()
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, 1.0)
                elif exc.errno not in _THE_CALLERS:
                    raise
                continue
            pause = 0.05
            self.counts.attempted += 1
            try:
                await self._admit(caller)
            except asyncio.CancelledError:
                caller.close()
                raise
            in_a_row += 1
            if in_a_row % _BURST == 0:
                await asyncio.sleep(0)

    async def _admit(self, caller: socket.socket) -> None:
        staying = len(self._connections) - self._connections.closing
        if staying >= self.capacity and not self._connections.shed_one():
            await self._refuse(caller)
            return
        while self._connections.closing > self._leaving:
            await self._something_closes(_SHORTEST_HEARING)
        self.counts.accepted += 1
        connection = Connection(self._connections, self._server(), self._loop, self._direct)
        self._connections.add(connection)
        self._attach(connection, caller)

    async def _refuse(self, caller: socket.socket) -> None:
        self._warn()
        while len(self._refusals) >= self._leaving:
            oldest = next(iter(self._refusals))
            heard = self._loop.time() - oldest.started
            if heard >= _SHORTEST_HEARING:
                oldest.finish()
            await self._something_closes(max(_SHORTEST_HEARING - heard, 0.01))
        self.counts.refused += 1
        refusal = Refusal(self._refusal_lost, self._loop.time())
        self._refusals[refusal] = self._loop.call_later(_HEARD_OUT, refusal.finish)
        self._attach(refusal, caller)

    def _refusal_lost(self, refusal: Refusal) -> None:
        timer = self._refusals.pop(refusal, None)
        if timer is not None:
            timer.cancel()
            self._freed.set()

    def _attach(self, protocol: asyncio.Protocol, caller: socket.socket) -> None:
        """In a task: the accept loop would otherwise take only one caller for each turn of the event loop."""
        task = self._loop.create_task(self._connect(protocol, caller))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, protocol: asyncio.Protocol, caller: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, caller)
        except OSError as exc:  # the caller is gone already
            caller.close()
            protocol.connection_lost(exc)

    async def _something_closes(self, seconds: float) -> None:
        self._freed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._freed.wait()

    def _warn(self, cause: OSError | None = None) -> None:
        now = self._loop.time()
        if now >= self._next_warning:
            self._next_warning = now + _WARNING_PAUSE
            log.warning(
                "connections.refused",
                cause=cause,
                open=len(self._connections),
                capacity=self.capacity,
                hint="Raise the hard limit of open files, or keep callers from holding connections.",
                **asdict(self.counts),
            )
