"""The three kinds of people who use a gateway, as Locust users. `python -m loadtest.load` runs it headless.

    LOADTEST_TOKEN=wpg_… LOADTEST_PUSH=DIR/push.json locust -f loadtest/locustfile.py --host http://GATEWAY

LOADTEST_TOKEN has all scopes on all sites; LOADTEST_PUSH is what `loadtest.fake_push` wrote. The run makes
sites of its own. More variables, all optional: LOADTEST_SITES (3), LOADTEST_SUBSCRIBERS (2000, imported into
each site), LOADTEST_SUMMARY (a file for the result as JSON), LOADTEST_TROUBLE (the push service is not
healthy: nothing but errors of the gateway counts). Each visit has an address of its own (X-Forwarded-For),
which the gateway believes with GATEWAY_TRUSTED_PROXIES.
"""

import datetime
import random
import secrets
import time
from typing import Any

from locust import FastHttpUser, between, constant_pacing, events, task
from locust.env import Environment

from loadtest.run_state import Run, Site, Tally
from loadtest.visitor_browser import Browser

OVER = ("sent", "cancelled", "expired")

run = Run.from_environment()
tally = Tally()


@events.init.add_listener  # type: ignore[untyped-decorator]
def prepare_headless(environment: Environment, **more: Any) -> None:
    """Before the clock of `--run-time` starts."""
    options = environment.parsed_options
    if options is not None and options.headless:
        environment.host = environment.host or options.host
        prepare(environment, **more)


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def prepare(environment: Environment, **_: Any) -> None:
    if not run.sites:
        run.prepare(environment.host or "http://127.0.0.1:8080")


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def settle(environment: Environment, **_: Any) -> None:
    summary = run.settle(tally, environment.stats)
    problems = summary.problems(healthy=run.healthy)
    print("\n".join(["", summary.table(), "", *(problems or ["no errors"])]), flush=True)
    if problems:
        environment.process_exit_code = 1


class Visitor(FastHttpUser):
    """Subscribes with real keys, reads what is pushed, reports it, comes back, changes, leaves."""

    weight = 1
    wait_time = between(0.5, 1.5)
    id = ""
    token = ""

    def on_start(self) -> None:
        self.unsent: list[dict[str, Any]] = []
        self.arrive()

    def arrive(self) -> None:
        """Somebody new opens a page of a site, and subscribes."""
        self.site: Site = random.choice(run.sites)
        self.browser = Browser()
        self.seen: set[str] = set()
        self.visit()
        self.client.get(f"/sdk/{self.site.id}.js", headers=self.headers, name="sdk/site.js")
        self.client.get(f"/v1/public/{self.site.id}", headers=self.headers, name="public configuration")
        self.subscribe("subscribe", expected=201)

    def visit(self) -> None:
        octets = random.randbytes(3)
        address = f"10.{octets[0]}.{octets[1]}.{octets[2]}"
        self.headers = {"Origin": self.site.origin, "X-Forwarded-For": address, "Content-Type": "text/plain"}

    def subscribe(self, name: str, expected: int, **more: object) -> None:
        body = {"subscription": self.browser.to_json(), "language": "en-US", **more}
        path = f"/v1/public/{self.site.id}/subscriptions"
        with self.client.post(
            path, json=body, headers=self.headers, name=name, catch_response=True
        ) as answer:
            # In trouble the push service may have said 404 meanwhile: then the gateway knows it no more.
            if answer.status_code != expected and (run.healthy or answer.status_code != 201):
                answer.failure(f"{name}: {answer.status_code}, not {expected}")
                return
            found = answer.json()
            if answer.status_code == 200 and found["id"] != self.id:
                answer.failure(f"{name}: another id")
            self.id, self.token = found["id"], found["token"]
            self.site.visitors[self.id] = None

    @task(10)
    def read_pushes(self) -> None:
        """What the worker does with a push: show it, and report that; sometimes it is clicked or closed."""
        for body in run.kept(self.browser.token):
            payload = self.browser.read(body)
            tally.repeated += payload["m"] in self.seen
            self.seen.add(payload["m"])
            self.unsent.append({"token": payload["t"], "kind": "displayed"})
            if random.random() < 0.3:
                kind = random.choice(("clicked", "closed"))
                self.unsent.append({"token": payload["t"], "kind": kind})
        if self.unsent:
            self.report(self.unsent[:50])

    def report(self, reports: list[dict[str, Any]]) -> None:
        body = [{**each, "age": 0} for each in reports]
        tally.trying(reports)
        path = "/v1/public/events"
        with self.client.post(
            path, json=body, headers=self.headers, name="report events", catch_response=True
        ) as answer:
            if answer.status_code == 204:
                tally.reported(reports)
                self.unsent = self.unsent[len(reports) :]
            else:  # a worker tries again later, so does this one, but the run has failed
                answer.failure(f"report events: {answer.status_code}")

    @task(3)
    def come_back(self) -> None:
        self.visit()
        self.subscribe("come back", expected=200)

    @task(1)
    def change_endpoint(self) -> None:
        self.browser.renew()
        self.subscribe("replace", expected=200, replaces={"id": self.id, "token": self.token})

    @task(1)
    def leave(self) -> None:
        """And somebody else arrives."""
        self.site.visitors.pop(self.id, None)
        path = f"/v1/public/{self.site.id}/subscriptions/{self.id}"
        headers = {**self.headers, "Authorization": f"Bearer {self.token}"}
        with self.client.delete(path, headers=headers, name="unsubscribe", catch_response=True) as answer:
            if answer.status_code == 404 and not run.healthy:
                answer.success()
        self.arrive()


class BackEnd(FastHttpUser):
    """A shop's server: one transactional push to one visitor, and how long until it is POSTed."""

    fixed_count = 5
    wait_time = constant_pacing(1)

    @task
    def push(self) -> None:
        site = random.choice(run.sites)
        visitors = list(site.visitors)
        if not visitors:
            return
        topic = secrets.token_hex(12)
        body = {
            "notification": {"title": "On its way", "body": "Your order has left us."},
            "options": {"topic": topic, "ttl": 600},
            "audience": {"subscriptions": [random.choice(visitors)]},
        }
        path = f"/v1/sites/{site.id}/messages"
        with self.client.post(
            path, json=body, headers=run.headers, name="send to one", catch_response=True
        ) as answer:
            if answer.status_code != 202:
                answer.failure(f"send to one: {answer.status_code}")
                return
            message = answer.json()
        tally.sent(site.id, message["id"])
        self.time_push(site, message, topic)

    def time_push(self, site: Site, message: dict[str, Any], topic: str) -> None:
        accepted = datetime.datetime.fromisoformat(message["created_at"]).timestamp()
        arrivals = run.arrivals(topic, wait=10)
        error = None
        if not arrivals:
            progress = run.get(f"/v1/sites/{site.id}/messages/{message['id']}")["progress"]
            if progress["skipped"]:  # the visitor left meanwhile
                return
            if run.healthy:
                error = RuntimeError("no push within 10 s")
        events.request.fire(  # type: ignore[no-untyped-call]
            request_type="PUSH",
            name="accept → POST",
            response_time=((arrivals[0] if arrivals else time.time()) - accepted) * 1000,
            response_length=0,
            exception=error,
            context={},
        )


class Admin(FastHttpUser):
    """Sends to everybody, and watches how it goes."""

    fixed_count = 1
    wait_time = between(1, 3)

    @task
    def blast(self) -> None:
        site = random.choice(run.sites)
        body = {
            "notification": {"title": "Sale", "body": "Everything must go, until midnight."},
            "audience": {"all": True},
        }
        path = f"/v1/sites/{site.id}/messages"
        headers = {**run.headers, "Idempotency-Key": secrets.token_hex(8)}
        with self.client.post(
            path, json=body, headers=headers, name="send to all", catch_response=True
        ) as answer:
            if answer.status_code != 202:
                answer.failure(f"send to all: {answer.status_code}")
                return
            message_id = answer.json()["id"]
        tally.sent(site.id, message_id)
        until = time.monotonic() + 30
        while time.monotonic() < until and not self.look(f"{path}/{message_id}"):
            time.sleep(0.5)
        self.client.get(f"{path}?limit=20", headers=run.headers, name="list messages")

    def look(self, path: str) -> bool:
        """Whether it is over."""
        with self.client.get(path, headers=run.headers, name="watch progress", catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"watch progress: {answer.status_code}")
                return False
            message = answer.json()
            tally.looked(message["progress"])
            return message["state"] in OVER
