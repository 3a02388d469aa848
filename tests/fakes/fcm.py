"""Google's push service as an unmodified Chromium sees it: check-in, registration, and the MCS socket.

Shapes from Chromium's google_apis/gcm (checkin.proto, android_checkin.proto, mcs.proto). Endpoints are opened
at the shared push service, under FCM's rules, with the host that Chromium hard-codes.
"""

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.certificates import Authority
from tests.fakes.mailbox import Letter, Mailbox
from tests.fakes.protobuf import Fixed64, decode, encode, number, read_varint, texts, varint
from tests.fakes.push_service import PushService, Resource
from tests.fakes.rules import Push
from tests.fakes.user_agent import decode as decode_base64url

# What a build that is not "stable" (Debian's) hands to the page as https://HOST/fcm/send/TOKEN.
HOST = "jmt17.google.com"
_VERSION = 41
_HEARTBEAT_PING, _HEARTBEAT_ACK, _LOGIN, _LOGIN_RESPONSE, _CLOSE, _IQ, _DATA = 0, 1, 2, 3, 4, 7, 8
# Field that carries last_stream_id_received, by tag: how Chromium acknowledges.
_ACK_FIELD = {_HEARTBEAT_PING: 2, _HEARTBEAT_ACK: 2, _IQ: 10, _DATA: 11}


@dataclass(slots=True)
class _Device:
    """One Chromium profile, known by the android id that check-in gave it."""

    mailbox: Mailbox = field(default_factory=Mailbox)
    session: "_Session | None" = None
    registrations: dict[str, "_Registration"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Registration:
    subtype: str  # wp:<origin>/#<guid>-V2: Chromium's name of the subscription
    app: str
    sender: str  # the application server key, base64url
    token: str
    resource: Resource


class Fcm:
    """Start Chromium with `switches`."""

    def __init__(self, push_service: PushService, authority: Authority) -> None:
        self._push_service = push_service
        self._certificate = authority.issue("localhost")
        self._devices: dict[str, _Device] = {}
        self._runner: web.AppRunner | None = None
        self._mcs: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._switches: list[str] = []

    @property
    def switches(self) -> list[str]:
        """Lead an unmodified Chromium here; they need --user-data-dir beside them."""
        return self._switches

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/checkin", self._check_in)
        app.router.add_post("/c2dm/register3", self._register)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        context = self._certificate.server_context()
        self._mcs = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context)
        http, mcs = self._runner.addresses[0][1], self._mcs.sockets[0].getsockname()[1]
        self._switches = [
            f"--gcm-checkin-url=http://127.0.0.1:{http}/checkin",
            f"--gcm-registration-url=http://127.0.0.1:{http}/c2dm/register3",
            f"--gcm-mcs-endpoint=https://localhost:{mcs}",
            f"--ignore-certificate-errors-spki-list={self._certificate.spki}",
        ]

    async def close(self) -> None:
        if self._mcs is not None:
            self._mcs.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _check_in(self, request: web.Request) -> web.Response:
        android_id, token = secrets.randbits(62) | 1, secrets.randbits(62) | 1
        now = time.time_ns() // 1_000_000
        body = encode((1, 1), (3, now), (7, Fixed64(android_id)), (8, Fixed64(token)), (9, 0))
        return web.Response(body=body, content_type="application/x-protobuf")

    async def _register(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        subtype = form.get("X-subtype", "")
        if not subtype.startswith("wp:"):
            return web.Response(text=f"token={secrets.token_urlsafe(32)}")  # Chromium's own, not a page's
        device = self._device(form["device"])
        known = device.registrations.get(subtype)
        if form.get("delete") == "true":
            if known is not None:
                known.resource.gone = True
                del device.registrations[subtype]
            return web.Response(text=f"token={subtype}")
        if known is None or known.sender != form["sender"]:
            known = self._open(device, subtype, form["app"], form["sender"])
        return web.Response(text=f"token={known.token}")

    def _open(self, device: _Device, subtype: str, app: str, sender: str) -> _Registration:
        def receive(push: Push, message_id: str) -> None:
            letter = device.mailbox.put(message_id, subtype, push, online=device.session is not None)
            if device.session is not None:
                device.session.deliver(letter, registration)

        token = f"{secrets.token_urlsafe(8)}:{secrets.token_urlsafe(96)}"
        resource = self._push_service.open_resource(
            HOST, decode_base64url(sender), receive, f"/fcm/send/{token}"
        )
        registration = _Registration(subtype, app, sender, token, resource)
        device.registrations[subtype] = registration
        return registration

    def _device(self, android_id: str) -> _Device:
        return self._devices.setdefault(android_id, _Device())

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer), name="mcs")
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        device: _Device | None = None
        session = _Session(writer)
        try:
            if await reader.readexactly(1) != bytes([_VERSION]):
                return
            tag, login = await _read_message(reader)
            if tag != _LOGIN:
                return
            device = self._device(texts(login, 3)[0])
            device.session = session
            self._log_in(device, session, texts(login, 1)[0], texts(login, 10))
            while True:
                tag, message = await _read_message(reader)
                for message_id in session.acknowledged(number(message, _ACK_FIELD.get(tag, 0))):
                    device.mailbox.settle(message_id)
                if tag == _CLOSE:
                    return
                if tag == _HEARTBEAT_PING:
                    session.send(_HEARTBEAT_ACK, b"")
        except (asyncio.IncompleteReadError, OSError):
            return  # the browser went away
        finally:
            if device is not None and device.session is session:
                device.session = None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _log_in(self, device: _Device, session: "_Session", login_id: str, received: list[str]) -> None:
        session.start(encode((1, login_id), (5, 1), (8, time.time_ns() // 1_000_000)))
        for message_id in received:
            device.mailbox.settle(message_id)
        for letter in device.mailbox.pending():
            if letter.channel in device.registrations:
                session.deliver(letter, device.registrations[letter.channel])


class _Session:
    """One MCS connection after its login: numbers what it sends, since Chromium acknowledges by number."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._sent = 0
        self._unacknowledged: dict[int, str] = {}

    def start(self, login_response: bytes) -> None:
        self._writer.write(bytes([_VERSION]))
        self.send(_LOGIN_RESPONSE, login_response)

    def send(self, tag: int, message: bytes) -> None:
        self._sent += 1
        self._writer.write(bytes([tag]) + varint(len(message)) + message)

    def deliver(self, letter: Letter, registration: _Registration) -> None:
        push = letter.push
        app_data = [("subtype", registration.subtype)]
        payload: list[tuple[int, bytes]] = []
        if push.body:
            app_data.append(("content-encoding", push.header("Content-Encoding")))
            payload = [(21, push.body)]
        self.send(
            _DATA,
            encode(
                (2, letter.message_id),
                (3, registration.sender),
                (5, registration.app),
                *((7, encode((1, name), (2, value))) for name, value in app_data),
                (9, letter.message_id),
                (17, int(push.header("TTL") or 0)),
                (18, time.time_ns() // 1_000_000),
                *payload,
                (24, 1),  # immediate_ack: else Chromium acknowledges only every tenth message
            ),
        )
        self._unacknowledged[self._sent] = letter.message_id

    def acknowledged(self, stream_id: int) -> list[str]:
        """The messages that a received last_stream_id_received confirms."""
        confirmed = [number_ for number_ in self._unacknowledged if number_ <= stream_id]
        return [self._unacknowledged.pop(number_) for number_ in confirmed]


async def _read_message(reader: asyncio.StreamReader) -> tuple[int, dict[int, list[int | bytes]]]:
    tag = (await reader.readexactly(1))[0]
    return tag, decode(await reader.readexactly(await read_varint(reader)))
