"""`check`: everything that can be wrong with this machine, each with a sentence on how to mend it."""

import resource
from argparse import Namespace
from datetime import UTC, datetime
from zoneinfo import available_timezones

from gateway.app import make_transport, open_context
from gateway.commands.findings import Findings
from gateway.commands.running import check_running
from gateway.context import Context
from gateway.errors import GatewayError
from gateway.openfiles import derive_budget, raise_limit
from gateway.settings import Settings
from gateway.webpush import NoCertificates
from storage import audit
from storage.database import Transaction
from storage.errors import StorageError

COMFORTABLE_LIMIT = 4096
MINUTE = 60_000


async def check(settings: Settings, _: Namespace) -> int:
    """Exit code 0 when nothing must be fixed."""
    found = Findings()
    found.good("settings", f"senders {settings.senders}, public URL {settings.public_url}")
    _check_public_url(settings, found)
    _check_open_files(settings, found)
    _check_certificates(settings, found)
    if not available_timezones():
        found.bad("time zones", "The system has no time zone data: install the package tzdata.")
    try:
        # Migrations are `serve`'s and `migrate`'s matter: a check changes nothing that is not there yet.
        async with open_context(settings, migrate=not settings.data_dir.exists()) as context:
            found.good("database", f"{context.database.dialect}, schema up to date, can be written")
            found.good("master key", f"fingerprint {context.master_key.fingerprint}")
            await _check_clock(context, found)
            await check_running(context, found)
    except (GatewayError, StorageError) as exc:
        for line in str(exc).splitlines():
            found.bad("database", line)
    return 1 if found.problems else 0


def _check_public_url(settings: Settings, found: Findings) -> None:
    url = settings.public_url
    local = url.startswith(("http://localhost", "http://127.", "http://[::1]"))
    if url.startswith("http://") and not local:
        found.bad("public URL", "Browsers subscribe only over https: set GATEWAY_PUBLIC_URL to an https URL.")
    elif local:
        found.warn("public URL", f"{url} reaches browsers on this machine only: set GATEWAY_PUBLIC_URL.")


def _check_open_files(settings: Settings, found: Findings) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        children = settings.senders + settings.api_processes - 1
        budget = derive_budget(raise_limit(), serves=True, children=children)
    except GatewayError as exc:
        found.bad("open files", exc.sentence)
        return
    text = f"limit {soft}, raised to {hard} at start; {budget.inbound} inbound connections"
    if hard < COMFORTABLE_LIMIT:
        found.warn("open files", f"{text}. A large blast needs more: raise the hard limit to 65536.")
    else:
        found.good("open files", text)


def _check_certificates(settings: Settings, found: Findings) -> None:
    try:
        make_transport(settings).close()
    except NoCertificates as exc:
        found.bad("certificates", f"{exc}: install ca-certificates, or set GATEWAY_PUSH_CA_FILE.")
    else:
        found.good("certificates", str(settings.push_ca_file or "the system's"))


async def _check_clock(context: Context, found: Findings) -> None:
    """Push services refuse tokens of a wrong clock. Ours cannot be behind what was written down before."""

    async def body(tx: Transaction) -> int | None:
        newest = await audit.page(tx, None, 1, None)
        return newest[0].at if newest else None

    now = context.clock.now()
    shown = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="seconds")
    newest = await context.database.read(body)
    if newest is not None and newest > now + MINUTE:
        found.bad(
            "clock", f"It says {shown}, but the database holds entries made later: set the clock (NTP)."
        )
    else:
        found.good("clock", shown)
