"""What the steps of one push cost: CPU microseconds each, medians of several rounds.

    python -m loadtest.micro [--in-flight N] [--loop uvloop|asyncio]

Figures move with the machine: compare them within one run.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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
from loadtest.sink import Sink, find_nginx, running_nginx

ROUNDS = 7
PAYLOAD = 300
CONTACT = "mailto:ops@example.com"


def cpu_us(work: Callable[[], None], count: int) -> float:
    """Median CPU microseconds of one `work` over ROUNDS rounds of `count`."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        for _ in range(count):
            work()
        rounds.append((time.process_time_ns() - start) / count / 1000)
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


def measure_headers() -> tuple[float, float]:
    """Signed anew for each, and from the cache."""
    key = ApplicationServerKey.generate()
    origin = PushHosts().origin("https://fcm.googleapis.com/x")
    cached = RequestHeaders(lambda: 0)
    fresh = cpu_us(lambda: (RequestHeaders(lambda: 0).get(key, CONTACT, origin, 60), None)[1], 500)
    return fresh, cpu_us(lambda: (cached.get(key, CONTACT, origin, 60), None)[1], 20_000)


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


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU microseconds per step of a push")
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    options = parser.parse_args()
    print(f"encrypt {PAYLOAD} bytes        {measure_encrypt():7.1f} us")
    fresh, cached = measure_headers()
    print(f"headers, signed anew     {fresh:7.1f} us")
    print(f"headers, from the cache  {cached:7.2f} us")
    if find_nginx() is None:
        print("POST: not measured, nginx is not installed (apt-get install nginx-light)")
        return
    factory = uvloop.new_event_loop if options.loop == "uvloop" else asyncio.new_event_loop
    with (
        tempfile.TemporaryDirectory() as folder,
        running_nginx(Path(folder)) as sink,
        asyncio.Runner(loop_factory=factory) as runner,
    ):
        cost, rate, failed = runner.run(measure_post(sink, options.in_flight))
    print(
        f"POST, {options.in_flight} in flight, {options.loop}  {cost:7.1f} us  {rate:,.0f}/s  {failed} failed"
    )


if __name__ == "__main__":
    main()
