"""`serve`, `api` and `send`: the processes that run until they are told to stop; and `migrate`."""

import asyncio
import secrets
import signal
import socket
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from aiohttp import web

from gateway.access import ensure_admin_token
from gateway.api.browser import BROWSERS
from gateway.api.direct import DIRECT
from gateway.api.server import build_application, make_runner
from gateway.api.strangers import leave_out_of_the_log
from gateway.app import make_transport, open_context
from gateway.commands.readiness import all_run, goes_on, somebody_sends
from gateway.commands.sites import show_admin_token
from gateway.commands.vitals import of_sender, of_server
from gateway.context import Context
from gateway.delivery.sender import run_sender
from gateway.dispatch.dispatcher import run_dispatcher
from gateway.dispatch.metrics import WebhookMetrics
from gateway.figures import METRICS_TYPE, render_own, reported
from gateway.histograms import DatabaseCollector
from gateway.interpreter import suit_a_server
from gateway.live import LiveLimits
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.openfiles import Acceptor, Budget, OpenFilesCollector, derive_budget, listen, raise_limit
from gateway.outbound import Outbound
from gateway.process import ProcessCollector, Role
from gateway.scheduler.scheduler import run_scheduler
from gateway.scrape import render_metrics
from gateway.settings import Settings
from gateway.supervise import Child, Patience, Supervisor, exit_on_parent_death
from gateway.watch.vitals import vitals_reported
from gateway.webpush import TransportLimits
from storage import batches

log = Log(__name__)

ANSWER_WITHIN = 10.0  # seconds that a stop waits for requests being answered
STOP_BESIDE_WITHIN = 20.0  # longer than that, and to store the events that were taken
STOP_SENDERS_WITHIN = 25.0  # longer than a sender waits for its pushes in flight and then to record them
MOST_PUSH_CONNECTIONS = 256
MOST_STREAMS = 100  # they stay open: seven of eight connections are for requests


async def serve(settings: Settings, args: Namespace) -> None:
    await _answer(settings, args, Role.SERVE, settings.senders)


async def api(settings: Settings, args: Namespace) -> None:
    await _answer(settings, args, Role.API, 0)


async def send(settings: Settings, args: Namespace) -> None:
    """A child of `serve`, told by the pipe and the owner it was given; or alone on a machine of its own."""
    budget = derive_budget(raise_limit(), serves=False)
    metrics = Metrics()
    child = args.parent_pipe is not None
    async with open_context(settings, migrate=not child, registry=metrics.registry) as context:
        stop = stop_on_signals()
        if child:
            exit_on_parent_death(args.parent_pipe, stop.set)
        limits = TransportLimits(connections=min(MOST_PUSH_CONNECTIONS, budget.outbound))
        transport = make_transport(settings, limits)
        owner = args.owner or _owner("sender")
        show_process(context, Role.SEND)
        metrics.registry.register(OpenFilesCollector(budget))
        async with (
            reported(context, owner, Role.SEND),
            vitals_reported(context, owner, Role.SEND, of_sender(budget, transport, metrics.registry)),
            _metrics_listener(context, render_own, listens=not child),
        ):
            await run_sender(context, transport, stop, owner=owner, metrics=metrics)


async def migrate(settings: Settings, _: Namespace) -> None:
    async with open_context(settings, migrate=True) as context:
        print(f"The schema is up to date ({context.database.dialect}).")


async def _answer(settings: Settings, args: Namespace, role: Role, senders: int) -> None:
    """The HTTP API and the scheduler, and `senders` child processes; until SIGTERM or SIGINT."""
    beside = settings.api_processes - 1
    budget = derive_budget(raise_limit(), serves=True, children=senders + beside)
    metrics = Metrics()
    owner = _owner(role)
    async with open_context(settings, registry=metrics.registry) as opened:
        context = replace(opened, family=owner if beside else None)
        show_admin_token(await ensure_admin_token(context))
        stop = stop_on_signals()
        supervisor = _supervise(context, args, senders)
        answering = _supervise_beside(context, args, beside, owner)
        parts: list[asyncio.Task[None]] = []
        checks = (
            partial(goes_on, stop),
            partial(all_run, parts),
            partial(somebody_sends, supervisor.running, senders),
        )
        leave_out_of_the_log()
        app = build_application(replace(context, readiness=checks), live_limits=live_limits(budget))
        runner = make_runner(app, shutdown_timeout=ANSWER_WITHIN)
        await runner.setup()
        try:
            if runner.server is None:
                raise RuntimeError("a runner that was set up has a server")
            acceptor = Acceptor(_listen(settings), runner.server, budget.inbound, direct=app[DIRECT])
            metrics.registry.register(OpenFilesCollector(budget, acceptor))
            show_process(context, role)
            said = of_server(budget, acceptor, app[BROWSERS].ingest.counts, supervisor)
            async with (
                reported(context, owner, role),
                vitals_reported(context, owner, role, said),
                _metrics_listener(context, render_metrics),
                asyncio.TaskGroup() as tasks,
            ):
                running = [
                    tasks.create_task(acceptor.run(), name="accept"),
                    tasks.create_task(supervisor.run(), name="senders"),
                    tasks.create_task(answering.run(), name="api processes"),
                ]
                scheduler = run_scheduler(context, stop, owner=_owner("scheduler"), metrics=metrics)
                parts += [running[0], tasks.create_task(scheduler, name="scheduler")]
                webhooks = run_dispatcher(
                    context,
                    stop,
                    owner=_owner("webhooks"),
                    outbound=Outbound(),
                    metrics=WebhookMetrics(metrics.registry),
                )
                parts.append(tasks.create_task(webhooks, name="webhooks"))
                suit_a_server()
                log.info(
                    "gateway.ready",
                    url=settings.public_url,
                    database=context.database.dialect,
                    senders=senders,
                    api_processes=settings.api_processes,
                    open_files=budget.limit,
                    inbound=budget.inbound,
                )
                await stop.wait()
                log.info("gateway.stopping")
                for task in running:
                    task.cancel()
        finally:
            await runner.cleanup()
    log.info("gateway.stopped")


def show_process(context: Context, role: Role) -> None:
    context.registry.register(ProcessCollector(role))
    context.registry.register(DatabaseCollector(context.database.timings))


def _listen(settings: Settings) -> list[socket.socket]:
    """CannotStart also when it is other processes that share the port: they would get half of our callers."""
    listeners = listen(settings.host, settings.port)
    if settings.api_processes == 1:
        return listeners
    for each in listeners:
        each.close()
    return listen(settings.host, settings.port, shared=True)


def live_limits(budget: Budget) -> LiveLimits:
    """Of one process."""
    return LiveLimits(in_all=min(MOST_STREAMS, budget.inbound // 8))


def _supervise(context: Context, args: Namespace, senders: int) -> Supervisor:
    async def release_leases(owner: str) -> None:
        await context.database.write(lambda tx: batches.release_owner(tx, owner))

    command = partial(_child, args, "send")
    return Supervisor(command, senders, release_leases, context.clock, Patience(stop=STOP_SENDERS_WITHIN))


def _supervise_beside(context: Context, args: Namespace, count: int, family: str) -> Supervisor:
    async def nothing_is_leased(_: str) -> None: ...

    patience = Patience(stop=STOP_BESIDE_WITHIN)
    child = Child("api", f"{family}.api", nicer=0)
    command = partial(_child, args, "answer-beside")
    return Supervisor(command, count, nothing_is_leased, context.clock, patience, child)


def _child(args: Namespace, role: str, pipe: int, owner: str) -> Sequence[str]:
    config = [] if args.config is None else ["--config", str(args.config)]
    program = (sys.executable, "-m", "gateway", *config)
    return [*program, role, "--parent-pipe", str(pipe), "--owner", owner]


def stop_on_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _owner(role: str) -> str:
    return f"{role}-{secrets.token_hex(8)}"


@asynccontextmanager
async def _metrics_listener(
    context: Context, render: Callable[[Context], Awaitable[bytes]], *, listens: bool = True
) -> AsyncIterator[None]:
    """`/metrics` on GATEWAY_METRICS_PORT, without a token. A child leaves the port to its parent."""
    settings = context.settings
    if settings.metrics_port is None or not listens:
        yield
        return

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await render(context), headers={"Content-Type": METRICS_TYPE})

    listeners = listen(settings.host, settings.metrics_port, setting="GATEWAY_METRICS_PORT")
    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        for listener in listeners:
            await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
