"""The fake push service's back door, plain HTTP on loopback: counts, scenarios, arrivals, kept pushes.

GET  /counts                what was answered: {"answers": {"fcm": {"201": 17}}, "in_flight", …}
PUT  /scenarios             the body is `slow` or `fcm=slow:5,mozilla=gone` (loadtest/scenarios.py)
GET  /arrivals/TOPIC?wait=S when pushes with this Topic came, seconds since the epoch: [1763640000.123]
GET  /kept/TOKEN            the pushes to `kept-…`, each handed out once: [[arrived, base64 of the body]]
"""

import asyncio
import base64
from collections import defaultdict

from aiohttp import web

from loadtest.push_server import PushService
from loadtest.scenarios import parse_scenarios

LOOK_EVERY = 0.02


def control_application(service: PushService) -> web.Application:
    async def counts(_: web.Request) -> web.Response:
        ledger = service.ledger
        answers: dict[str, dict[str, int]] = defaultdict(dict)
        for (provider, status), count in ledger.answers.items():
            answers[provider][str(status)] = count
        flight = {"in_flight": ledger.in_flight, "most_in_flight": ledger.most_in_flight}
        return web.json_response({"answers": answers, **flight})

    async def play(request: web.Request) -> web.Response:
        try:
            plays = parse_scenarios(await request.text())
        except ValueError as exc:
            raise web.HTTPBadRequest(text=str(exc)) from None
        service.plays.update(plays)
        return web.json_response({})

    async def arrivals(request: web.Request) -> web.Response:
        topic, loop = request.match_info["topic"], asyncio.get_running_loop()
        until = loop.time() + float(request.query.get("wait", 0))
        while topic not in service.ledger.by_topic and loop.time() < until:  # noqa: ASYNC110 - no event for each
            await asyncio.sleep(LOOK_EVERY)
        return web.json_response(service.ledger.by_topic.get(topic, []))

    async def kept(request: web.Request) -> web.Response:
        letters = service.ledger.fetch(request.match_info["token"])
        return web.json_response([[at, base64.b64encode(body).decode()] for at, body in letters])

    app = web.Application()
    app.router.add_get("/counts", counts)
    app.router.add_put("/scenarios", play)
    app.router.add_get("/arrivals/{topic}", arrivals)
    app.router.add_get("/kept/{token}", kept)
    return app
