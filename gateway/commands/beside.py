"""An API process beside the one that `serve` or `api` is: the same port, the same routes, nothing else.

It is a child, started and watched like a sender (gateway.supervise); the system hands each new connection to
one of them (SO_REUSEPORT, socket(7)). Only the parent schedules, tells webhooks and has the port for metrics.
"""

import asyncio
from argparse import Namespace
from dataclasses import replace
from functools import partial

from gateway.api.browser import BROWSERS
from gateway.api.direct import DIRECT
from gateway.api.server import build_application, make_runner
from gateway.api.strangers import leave_out_of_the_log
from gateway.app import open_context
from gateway.commands.readiness import Kin, all_run, goes_on
from gateway.commands.roles import ANSWER_WITHIN, live_limits, show_process, stop_on_signals
from gateway.commands.vitals import of_server
from gateway.figures import reported
from gateway.interpreter import suit_a_server
from gateway.logs import Log
from gateway.metrics import Metrics
from gateway.openfiles import Acceptor, OpenFilesCollector, derive_budget, listen, raise_limit
from gateway.process import Role
from gateway.settings import Settings
from gateway.supervise import exit_on_parent_death
from gateway.watch.vitals import vitals_reported

log = Log(__name__)


async def answer_beside(settings: Settings, args: Namespace) -> None:
    """Until SIGTERM, or until the parent is gone."""
    budget = derive_budget(raise_limit(), serves=True)
    metrics = Metrics()
    async with open_context(settings, migrate=False, registry=metrics.registry) as opened:
        context = replace(opened, family=args.owner.partition(".")[0])
        stop = stop_on_signals()
        exit_on_parent_death(args.parent_pipe, stop.set)
        kin = Kin(context)
        parts: list[asyncio.Task[None]] = []
        checks = (partial(goes_on, stop), partial(all_run, parts), kin.somebody_sends)
        leave_out_of_the_log()
        app = build_application(replace(context, readiness=checks), live_limits=live_limits(budget))
        runner = make_runner(app, shutdown_timeout=ANSWER_WITHIN)
        await runner.setup()
        try:
            if runner.server is None:
                raise RuntimeError("a runner that was set up has a server")
            listeners = listen(settings.host, settings.port, shared=True)
            acceptor = Acceptor(listeners, runner.server, budget.inbound, direct=app[DIRECT])
            metrics.registry.register(OpenFilesCollector(budget, acceptor))
            show_process(context, Role.API)
            said = of_server(budget, acceptor, app[BROWSERS].ingest.counts)
            async with (
                reported(context, args.owner, Role.API),
                vitals_reported(context, args.owner, Role.API, said),
                kin.watched(),
                asyncio.TaskGroup() as tasks,
            ):
                parts.append(tasks.create_task(acceptor.run(), name="accept"))
                suit_a_server()
                log.info("api.ready", owner=args.owner, inbound=budget.inbound)
                await stop.wait()
                log.info("api.stopping", owner=args.owner)
                parts[0].cancel()
        finally:
            await runner.cleanup()
