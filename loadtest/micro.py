"""What the steps of one push cost: CPU microseconds each, medians of several rounds, beside their budgets.

    python -m loadtest.micro [--in-flight N] [--loop uvloop|asyncio] [--strict]

The budgets together are the goal for a whole push. They are those of one machine (RESULTS.md), so a step over
its budget fails only with --strict. Figures move with the machine: compare them within one run.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.audience import AudienceSpec, write_audience
from gateway.content import Content, Notification, Options, write_content
from gateway.outgoing import Outgoing
from gateway.payload import PayloadTemplate
from gateway.tokens import issue_event_token
from gateway.webpush import (
    ApplicationServerKey,
    CurlTransport,
    ProxySettings,
    PushHosts,
    PushRequest,
    Reply,
    RequestHeaders,
    classify,
    encrypt,
)
from loadtest.bench import Bench
from loadtest.sink import Sink, find_nginx, running_nginx
from storage.messages import Message, Priority
from storage.subscription import VisitorRow

PERSONAL = "render, two macros"
# CPU microseconds; 131 in all for a plain message. What is rendered for each recipient stands for itself.
BUDGET = {
    "render": 6.0,
    PERSONAL: 10.0,
    "encrypt": 78.0,
    "sign": 0.5,
    "POST": 28.0,
    "claim, read, record": 18.5,
}
RECORDED = 20_000
ROUNDS = 7
PAYLOAD = 300
CONTACT = "mailto:ops@example.com"


def cpu_us(work: Callable[[], None], times: int) -> float:
    """Median CPU microseconds of one `work` over ROUNDS rounds of `times`."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        for _ in range(times):
            work()
        rounds.append((time.process_time_ns() - start) / times / 1000)
    return statistics.median(rounds)


def make_subscriptions(count: int) -> list[tuple[bytes, bytes]]:
    """`count` pairs of p256dh and auth."""
    keys = (ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(count))
    return [(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), os.urandom(16)) for key in keys]


def measure_encrypt() -> float:
    """Each round meets keys that were never used before, as a blast does."""
    plaintext = os.urandom(PAYLOAD)
    subscriptions = iter(make_subscriptions(ROUNDS * 1000))
    return cpu_us(lambda: (encrypt(plaintext, *next(subscriptions)), None)[1], 1000)


def measure_render() -> float:
    """The event token and the payload around it."""
    notification = Notification("Everything must go", body="The winter sale ends tonight at midnight.")
    template = PayloadTemplate(1 << 50, notification, "https://push.example.com", Priority.BULK)
    key, at = os.urandom(32), 1_800_000_000_000
    return cpu_us(lambda: (template.render(issue_event_token(key, 1, 1 << 50, 1, 0, at)), None)[1], 5_000)


def measure_render_personal() -> float:
    """The same for a message that names the visitor and their city, attributes read from their row."""
    content = Content(
        Notification(
            "Hello {{ attributes.first_name | default: 'there' }}",
            body="The winter sale in {{ attributes.city }} ends tonight at midnight.",
        ),
        Options(),
    )
    outgoing = Outgoing(
        Message(
            id=1 << 50,
            site_id=1,
            priority=Priority.BULK,
            lane=1,
            content=write_content(content),
            audience_spec=write_audience(AudienceSpec(all=True)),
            ttl=3_600,
            send_at=0,
            created_at=0,
        ),
        "https://push.example.com",
    )
    visitor = VisitorRow(1, "de", None, '{"first_name":"Ann","city":"Berlin","plan":"pro","visits":17}')
    key, at = os.urandom(32), 1_800_000_000_000

    def render() -> None:
        outgoing.render(issue_event_token(key, 1, 1 << 50, 1, 0, at), "customer-1", 0, visitor)

    return cpu_us(render, 5_000)


def measure_headers() -> tuple[float, float]:
    """Signed anew for each, and from the cache, which is what a push pays."""
    key = ApplicationServerKey.generate()
    origin = PushHosts().origin("https://fcm.googleapis.com/x")
    cached = RequestHeaders(lambda: 0)
    fresh = cpu_us(lambda: (RequestHeaders(lambda: 0).get(key, CONTACT, origin, 60), None)[1], 500)
    return fresh, cpu_us(lambda: (cached.get(key, CONTACT, origin, 60), None)[1], 20_000)


def measure_record(folder: Path) -> float:
    """A sender on SQLite that renders, encrypts and POSTs nothing: all that is left."""
    nowhere = Sink(1, folder, folder)
    used = Bench(folder, nowhere, count()).unpushed(RECORDED)
    return sum(each.cpu for each in used) / RECORDED * 1e6


class Blast:
    """Keeps `in_flight` requests on their way until `count` were answered."""

    def __init__(self, sink: Sink, in_flight: int) -> None:
        hosts = PushHosts.parse(f"localhost:{sink.port}")
        self.origin = hosts.origin(f"{sink.url}/")
        self.url = sink.url
        self.lines = RequestHeaders(lambda: 0).get(ApplicationServerKey.generate(), CONTACT, self.origin, 60)
        self.body = os.urandom(PAYLOAD + 103)
        self.transport = CurlTransport(ca_file=sink.ca_file, proxy=ProxySettings())
        self.in_flight = in_flight
        self.left = 0
        self.failed = 0

    async def run(self, count: int) -> None:
        self.left = count
        for _ in range(min(self.in_flight, count)):
            self.post()
        if not await self.transport.drain(60):
            raise RuntimeError("the sink did not answer within a minute")

    def post(self) -> None:
        self.left -= 1
        url = f"{self.url}/wp/{self.left}"
        self.transport.post(PushRequest(url, self.origin, self.lines, self.body), self.on_reply)

    def on_reply(self, request: PushRequest, reply: Reply) -> None:
        if classify(request.origin.provider, reply, 0).status != 201:
            self.failed += 1
        if self.left > 0:
            self.post()


async def measure_post(sink: Sink, in_flight: int, count: int = 5000) -> tuple[float, float, int]:
    """Median CPU microseconds of a POST, requests a second, and how many were not answered 201."""
    blast = Blast(sink, in_flight)
    await blast.run(count)  # connections are opened
    costs, rates = [], []
    for _ in range(ROUNDS):
        cpu, wall = time.process_time_ns(), time.perf_counter()
        await blast.run(count)
        costs.append((time.process_time_ns() - cpu) / count / 1000)
        rates.append(count / (time.perf_counter() - wall))
    blast.transport.close()
    return statistics.median(costs), statistics.median(rates), blast.failed


class Report:
    """Prints each step as it is measured, and remembers which were over their budgets."""

    def __init__(self) -> None:
        self.over: list[str] = []
        self._sum = 0.0
        print(f"{'CPU microseconds':<30} {'measured':>8} {'budget':>8}")

    def add(self, step: str, cost: float, note: str = "", *, is_part: bool = True) -> None:
        """`is_part`: of what a plain push costs, and so of the sum."""
        budget = BUDGET[step]
        self._sum += cost if is_part else 0
        if cost > budget:
            self.over.append(step)
        print(f"{step:<30} {cost:8.1f} {budget:8.1f}  {'OVER  ' if cost > budget else ''}{note}", flush=True)

    def end(self) -> None:
        print(f"{'together':<30} {self._sum:8.1f} {sum(BUDGET.values()) - BUDGET[PERSONAL]:8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU microseconds per step of a push")
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a step is over its budget")
    options = parser.parse_args()
    report = Report()
    report.add("render", measure_render())
    report.add(PERSONAL, measure_render_personal(), "instead of the line above", is_part=False)
    report.add("encrypt", measure_encrypt(), f"{PAYLOAD} bytes")
    fresh, cached = measure_headers()
    report.add("sign", cached, f"from the cache; {fresh:.1f} once in six hours for a key and push service")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if find_nginx() is None:
            print("POST: not measured, nginx is not installed (apt-get install nginx-light)")
        else:
            cost, rate, failed = measure_post_alone(folder, options.loop, options.in_flight)
            report.add("POST", cost, f"{options.in_flight} in flight, {rate:,.0f}/s, {failed} failed")
        report.add("claim, read, record", measure_record(folder))
    report.end()
    if options.strict and report.over:
        raise SystemExit(1)


def measure_post_alone(folder: Path, loop: str, in_flight: int) -> tuple[float, float, int]:
    """As measure_post, with a sink and an event loop of its own."""
    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with running_nginx(folder) as sink, asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(measure_post(sink, in_flight))


if __name__ == "__main__":
    main()
