"""What the users of one Locust run share: the sites it made, what was sent, and what they counted.

Blocking calls; under Locust gevent makes them yield.
"""

import json
import os
import secrets
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from gateway.webpush.keys import encode_base64url
from loadtest.audience import make_browsers
from loadtest.fake_push import Addresses
from loadtest.summary import Exactness, Row, Summary, sum_is_right
from loadtest.visitor_browser import new_endpoint

DIFFERENT_BROWSERS = 500  # among the imported ones; encryption does not care when keys come back
SETTLE_WITHIN = 60.0
SECOND_LOOK = 5.0  # in trouble: long enough to see whether the counters still add up


@dataclass(eq=False, slots=True)
class Site:
    id: str
    origin: str
    visitors: dict[str, None] = field(default_factory=dict)  # ids of those who are subscribed now


class Tally:
    """Counted on this side of the wire, to be compared with what the gateway counted."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []  # (site, message)
        self.tried: set[str] = set()  # event tokens of displays
        self.answered: set[str] = set()
        self.repeated = 0
        self.sums_wrong = 0

    def sent(self, site_id: str, message_id: str) -> None:
        self.messages.append((site_id, message_id))

    def trying(self, reports: Sequence[Mapping[str, Any]]) -> None:
        self.tried.update(each["token"] for each in reports if each["kind"] == "displayed")

    def reported(self, reports: Sequence[Mapping[str, Any]]) -> None:
        self.answered.update(each["token"] for each in reports if each["kind"] == "displayed")

    def looked(self, progress: Mapping[str, Any]) -> None:
        self.sums_wrong += not sum_is_right(progress)


class Run:
    """One run against one gateway and one fake push service."""

    def __init__(self, token: str, push: Addresses, environ: Mapping[str, str]) -> None:
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.healthy = not environ.get("LOADTEST_TROUBLE")
        self.sites: list[Site] = []
        self._push = push
        self._gateway = ""
        self._site_count = int(environ.get("LOADTEST_SITES", 3))
        self._subscribers = int(environ.get("LOADTEST_SUBSCRIBERS", 2_000))
        self._summary_file = environ.get("LOADTEST_SUMMARY")
        self._taken_before = 0

    @classmethod
    def from_environment(cls) -> "Run":
        try:
            token, push = os.environ["LOADTEST_TOKEN"], os.environ["LOADTEST_PUSH"]
        except KeyError as exc:
            raise SystemExit(f"{exc.args[0]} is not set; see docs/load-testing.md") from None
        return cls(token, Addresses.read(Path(push)), os.environ)

    def prepare(self, gateway: str) -> None:
        """Make the sites, and import their subscribers."""
        self._gateway = gateway
        for number in range(self._site_count):
            origin = f"https://load-{number}-{secrets.token_hex(4)}.example"
            body = {"name": f"Load {number}", "origins": [origin], "contact": "mailto:ops@load.example.com"}
            site = Site(self._call("POST", "/v1/sites", json.dumps(body))["id"], origin)
            result = self._call("POST", f"/v1/sites/{site.id}/subscriptions/import", self._lines())
            if result["added"] != self._subscribers:
                raise RuntimeError(f"the import said {result}")
            self.sites.append(site)
        self._taken_before = self._taken()

    def _lines(self) -> str:
        browsers = make_browsers(DIFFERENT_BROWSERS)
        keys = [
            {"p256dh": encode_base64url(each.p256dh), "auth": encode_base64url(each.auth)}
            for each in browsers
        ]
        lines = (
            {"endpoint": new_endpoint(secrets.token_urlsafe(96)), "keys": keys[number % len(keys)]}
            for number in range(self._subscribers)
        )
        return "\n".join(map(json.dumps, lines))

    def kept(self, token: str) -> list[str]:
        """Pushes that came for a visitor since the last call, base64."""
        return [body for _, body in self._control(f"/kept/{token}")]

    def arrivals(self, topic: str, wait: float) -> list[float]:
        """When pushes with this topic came, seconds since the epoch; waits up to `wait` seconds for one."""
        found: list[float] = self._control(f"/arrivals/{topic}?wait={wait}")
        return found

    def get(self, path: str) -> Any:
        return self._call("GET", path, None)

    def settle(self, tally: Tally, stats: Any) -> Summary:
        """Wait until the messages are over, compare all counts, write the summary down."""
        until = time.monotonic() + (SETTLE_WITHIN if self.healthy else SECOND_LOOK)
        while True:
            found = [self.get(f"/v1/sites/{site}/messages/{id}") for site, id in tally.messages]
            unfinished = sum(message["state"] in ("scheduled", "sending") for message in found)
            for message in found:
                tally.looked(message["progress"])
            if not unfinished or time.monotonic() > until:
                break
            time.sleep(1)
        exactness = Exactness(
            messages=len(found),
            unfinished=unfinished,
            audience=sum(message["progress"]["audience"] or 0 for message in found),
            accepted=sum(message["progress"]["accepted"] for message in found),
            taken=self._taken() - self._taken_before,
            reported=len(tally.answered),
            tried=len(tally.tried),
            displayed=sum(message["results"]["displayed"] for message in found),
            repeated=tally.repeated,
            sums_wrong=tally.sums_wrong,
        )
        summary = Summary(_rows(stats), _errors(stats), exactness)
        if self._summary_file:
            Path(self._summary_file).write_bytes(msgspec.json.encode(summary))
        return summary

    def _taken(self) -> int:
        answers: dict[str, dict[str, int]] = self._control("/counts")["answers"]
        return sum(counts.get("201", 0) for counts in answers.values())

    def _control(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._push.control}{path}", timeout=30) as answer:
            return json.load(answer)

    def _call(self, method: str, path: str, body: str | None) -> Any:
        data = None if body is None else body.encode()
        headers = dict(self.headers)
        if path.endswith("/import"):
            headers["Content-Type"] = "application/x-ndjson"
        request = urllib.request.Request(f"{self._gateway}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)


def _rows(stats: Any) -> list[Row]:
    return [
        Row(
            name=entry.name,
            requests=entry.num_requests,
            failures=entry.num_failures,
            per_second=entry.total_rps,
            p50=entry.get_response_time_percentile(0.5) or 0,
            p95=entry.get_response_time_percentile(0.95) or 0,
            p99=entry.get_response_time_percentile(0.99) or 0,
        )
        for entry in sorted(stats.entries.values(), key=lambda entry: str(entry.name))
    ]


def _errors(stats: Any) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for error in stats.errors.values():
        counted[f"{error.name}: {error.error}"] += error.occurrences
    return dict(counted)
