"""Push services without a network: what is posted waits until the test answers, or a rule answers at once."""

import asyncio
from collections.abc import Callable

from gateway.webpush import OnReply, PushRequest, Reply

CREATED = Reply(201)


class FakeTransport:
    """`rule` gives the reply to a request, or None to leave it in flight until `answer`."""

    def __init__(self, rule: Callable[[PushRequest], Reply | None] = lambda _: CREATED) -> None:
        self.rule = rule
        self.posted: list[PushRequest] = []
        self.closed = False
        self._pending: dict[int, tuple[PushRequest, OnReply]] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def in_flight(self) -> int:
        return len(self._pending)

    def post(self, request: PushRequest, on_reply: OnReply) -> None:
        number = len(self.posted)
        self.posted.append(request)
        self._pending[number] = (request, on_reply)
        self._idle.clear()
        reply = self.rule(request)
        if reply is not None:
            asyncio.get_running_loop().call_soon(self._reply, number, reply)

    def answer(self, reply: Reply = CREATED) -> None:
        """Reply to everything in flight."""
        self.answer_each(lambda _: reply)

    def answer_each(self, rule: Callable[[PushRequest], Reply]) -> None:
        for number, (request, _) in list(self._pending.items()):
            self._reply(number, rule(request))

    def answer_first(self, reply: Reply = CREATED) -> None:
        """Reply to what has been in flight for the longest time."""
        self._reply(min(self._pending), reply)

    async def drain(self, timeout: float) -> bool:
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except TimeoutError:
            return False
        return True

    def die(self) -> None:
        """As if the process was killed: nothing is posted or answered any more."""
        self.rule = lambda _: None
        self._pending.clear()
        self._idle.set()

    def close(self) -> None:
        self.closed = True
        self.answer(Reply(0, error="closed"))

    def _reply(self, number: int, reply: Reply) -> None:
        if number in self._pending:
            request, on_reply = self._pending.pop(number)
            if not self._pending:
                self._idle.set()
            on_reply(request, reply)
