"""Mozilla's push service as an unmodified Firefox sees it: the WebSocket protocol of autoconnect.

Endpoints are opened at the shared push service, under Mozilla's host and rules.
"""

import asyncio
import base64
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakes.mailbox import Letter, Mailbox
from tests.fakes.push_service import PushService, Resource
from tests.fakes.rules import Push
from tests.fakes.user_agent import decode

HOST = "updates.push.services.mozilla.com"


@dataclass(slots=True)
class _Agent:
    """One browser, known by its uaid."""

    channels: dict[str, Resource] = field(default_factory=dict)
    mailbox: Mailbox = field(default_factory=Mailbox)
    socket: web.WebSocketResponse | None = None


class Autopush:
    """Firefox connects to `url` (pref dom.push.serverURL)."""

    def __init__(self, push_service: PushService) -> None:
        self._push_service = push_service
        self._agents: dict[str, _Agent] = {}
        self._runner: web.AppRunner | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        await self._hang_up()
        if self._runner is not None:
            await self._runner.cleanup()

    async def forget_everyone(self) -> None:
        """Lose every uaid, as after a database loss: Firefox must subscribe anew (pushsubscriptionchange)."""
        for agent in self._agents.values():
            for resource in agent.channels.values():
                resource.gone = True
        sockets, self._agents = list(self._agents.values()), {}
        await self._hang_up(sockets)

    async def _hang_up(self, agents: list[_Agent] | None = None) -> None:
        for agent in list(self._agents.values()) if agents is None else agents:
            if agent.socket is not None:
                await agent.socket.close()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("push-notification",))
        await socket.prepare(request)
        agent: _Agent | None = None
        try:
            async for frame in socket:
                if frame.type is not WSMsgType.TEXT:
                    break
                message = json.loads(frame.data)
                if agent is None:
                    agent = await self._hello(socket, message)
                else:
                    await self._answer(socket, agent, message)
        finally:
            if agent is not None and agent.socket is socket:
                agent.socket = None
        return socket

    async def _hello(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> _Agent:
        uaid = message.get("uaid", "")
        if uaid not in self._agents:
            uaid = uuid.uuid4().hex
            self._agents[uaid] = _Agent()
        agent = self._agents[uaid]
        agent.socket = socket
        await socket.send_json(
            {"messageType": "hello", "uaid": uaid, "status": 200, "use_webpush": True, "broadcasts": {}}
        )
        for letter in agent.mailbox.pending():
            await socket.send_json(_notification(letter))
        return agent

    async def _answer(self, socket: web.WebSocketResponse, agent: _Agent, message: dict[str, Any]) -> None:
        match message.get("messageType"):
            case None:
                await socket.send_json({})  # a ping
            case "register":
                await self._register(socket, agent, message)
            case "unregister":
                channel = message["channelID"]
                if channel in agent.channels:
                    agent.channels.pop(channel).gone = True
                await socket.send_json({"messageType": "unregister", "channelID": channel, "status": 200})
            case "ack":
                for update in message["updates"]:
                    agent.mailbox.settle(update["version"])
            case "nack":
                agent.mailbox.settle(message["version"])

    async def _register(self, socket: web.WebSocketResponse, agent: _Agent, message: dict[str, Any]) -> None:
        channel: str = message["channelID"]

        def receive(push: Push, message_id: str) -> None:
            letter = agent.mailbox.put(message_id, channel, push, online=agent.socket is not None)
            if agent.socket is not None:
                self._send_soon(agent.socket, letter)

        key = decode(message["key"]) if message.get("key") else None
        agent.channels[channel] = self._push_service.open_resource(HOST, key, receive)
        agent.channels[channel].take_back = agent.mailbox.settle
        await socket.send_json(
            {
                "messageType": "register",
                "channelID": channel,
                "status": 200,
                "pushEndpoint": agent.channels[channel].endpoint,
            }
        )

    def _send_soon(self, socket: web.WebSocketResponse, letter: Letter) -> None:
        # The HTTP side answers 201 before the browser has it, as the real service does.
        task = asyncio.get_running_loop().create_task(socket.send_json(_notification(letter)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


def _notification(letter: Letter) -> dict[str, Any]:
    message: dict[str, Any] = {
        "messageType": "notification",
        "channelID": letter.channel,
        "version": letter.message_id,
    }
    if letter.push.body:
        message["data"] = base64.urlsafe_b64encode(letter.push.body).rstrip(b"=").decode()
        message["headers"] = {"encoding": letter.push.header("Content-Encoding")}
    return message
