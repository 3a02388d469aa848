"""`/healthz`, `/readyz`, `/metrics`: for whoever runs the gateway."""

from aiohttp import web
from msgspec import Struct

from gateway.api.doorkeeper import require_all_sites
from gateway.api.route import Call, Reply, route
from gateway.figures import METRICS_TYPE
from gateway.scrape import render_metrics
from storage import meta
from storage.database import Transaction
from storage.errors import StorageUnavailable
from storage.tokens import Scope


class Health(Struct, frozen=True):
    status: str = "ok"


class Readiness(Struct, frozen=True):
    ready: bool
    reasons: tuple[str, ...] = ()


@route("GET", "/healthz", "Whether the process lives")
async def live(_: Call[None, None]) -> Health:
    return Health()


@route("GET", "/readyz", "Whether requests can be served, and why not", other_statuses=(503,))
async def ready(call: Call[None, None]) -> Reply[Readiness]:
    """Asks the database for a transaction each time; load balancers may come once a second."""
    reasons = [reason for check in call.context.readiness if (reason := check()) is not None]
    try:
        await call.context.database.write(_look)  # writes nothing, but a read-only database refuses it
    except StorageUnavailable:
        reasons.append("The database cannot be used; the log says what to do.")
    if reasons:
        return Reply(Readiness(False, tuple(reasons)), 503, {"Retry-After": "5"})
    return Reply(Readiness(True))


@route("GET", "/metrics", "Prometheus metrics", scope=Scope.READ, gives="text/plain")
async def metrics(call: Call[None, None]) -> web.Response:
    """This process' and all senders'. Needs a token for all sites; on GATEWAY_METRICS_PORT none."""
    require_all_sites(call.token)
    return web.Response(body=await render_metrics(call.context), headers={"Content-Type": METRICS_TYPE})


async def _look(tx: Transaction) -> None:
    await meta.get(tx, "any key will do")


ROUTES = (live, ready, metrics)
