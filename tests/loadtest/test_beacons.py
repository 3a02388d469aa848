import asyncio
from collections import Counter

from loadtest.beacons import LOST, Answers, Wave, crowd
from loadtest.events import Counted, Outcome, parse, problems, split

HEADS = {
    204: b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n",
    503: b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwait",
    400: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}",
}


class Gateway:
    """Answers in turn as it is told, then 204."""

    def __init__(self, *first: int) -> None:
        self.asked: Counter[bytes] = Counter()
        self._first = list(first)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                self.asked[await reader.readexactly(length)] += 1
                status = self._first.pop(0) if self._first else 204
                if status == LOST:
                    break
                writer.write(HEADS[status])
                if status == 503:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


async def ask(gateway: Gateway, repeated: int = 0, forged: int = 0) -> Answers:
    server = await asyncio.start_server(gateway.talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wave = Wave(
        port, 1, 2, range(20), connections=3, again_after=(0.0, 0.01), repeated=repeated, forged=forged
    )
    try:
        async with asyncio.timeout(20):
            return await crowd(wave)
    finally:
        server.close()


async def test_what_is_refused_or_lost_is_sent_again_until_it_is_stored() -> None:
    gateway = Gateway(204, 503, LOST, 204, 503)
    answers = await ask(gateway)
    assert answers.statuses == {204: 20, 503: 2, LOST: 1}
    assert (answers.unanswered, len(answers.taken)) == (0, 20)
    assert (len(gateway.asked), gateway.asked.total()) == (20, 23)


async def test_some_events_are_repeated_and_some_tokens_are_forged() -> None:
    gateway = Gateway(400, 400)
    answers = await ask(gateway, repeated=5, forged=2)
    assert answers.statuses == {204: 25, 400: 2}
    assert (len(gateway.asked), gateway.asked.total()) == (22, 27)


def test_workers_share_a_wave_out() -> None:
    wave = Wave(80, 1, 2, range(10), connections=30, rate=300.0, repeated=3, forged=6)
    parts = split(wave, 3)
    assert sorted(id for part in parts for id in part.subscriptions) == list(range(10))
    assert {(part.connections, part.rate, part.repeated, part.forged) for part in parts} == {
        (10, 100.0, 1, 2)
    }


def test_a_run_fails_when_anything_is_counted_twice_or_not_at_all() -> None:
    wave = Wave(80, 1, 2, range(100), repeated=10, forged=2)
    answers = Answers([1.0] * 110, Counter({204: 110, 400: 2}), began=0.0, ended=0.01)
    outcome = Outcome(2, answers, 0.01, None)
    options = parse([])
    assert problems(outcome, Counted(100, 100, 100), wave, options) == []
    for counted in (Counted(99, 100, 100), Counted(100, 101, 100), Counted(100, 100, 0)):
        assert problems(outcome, counted, wave, options) == [f"100 events, {counted}"]
    slow = Outcome(2, Answers(answers.taken, answers.statuses, 0.0, 1.0), 0.01, None)
    assert problems(slow, Counted(100, 100, 100), wave, options) == ["112 a second are too few"]
