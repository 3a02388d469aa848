"""`/v1/sites/{site}/check`."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.api.outbound import OUTBOUND
from gateway.api.route import Call, route
from gateway.site_check import WORKER, CheckName, check_site
from storage.tokens import Scope

WorkerPath = Annotated[
    str,
    Meta(
        max_length=300,
        pattern=r"^/[!-~]*$",
        description="Where the worker's file is, if it is not the usual one.",
    ),
]


class WhatToCheck(Struct, forbid_unknown_fields=True, frozen=True):
    origin: Annotated[str | None, Meta(description="One of the site's origins; the first by default.")] = None
    worker: WorkerPath = WORKER


class Check(Struct, frozen=True):
    name: CheckName
    ok: bool
    message: Annotated[str, Meta(description="What was found, or what to do.")]
    needed: Annotated[bool, Meta(description="False: only some visitors miss it.")]


class Checked(Struct, frozen=True):
    ok: Annotated[bool, Meta(description="Everything that is needed is there.")]
    checks: list[Check]


@route("POST", "/v1/sites/{site}/check", "Is a site set up right?", scope=Scope.READ, body_optional=True)
async def check(call: Call[WhatToCheck, None]) -> Checked:
    """Asks the website for its page, worker file and manifest, as a browser would. Takes up to 20 s."""
    asked = call.body
    outbound = call.request.app[OUTBOUND]
    found = await check_site(call.context, outbound, call.site_id, asked.origin, asked.worker)
    return Checked(
        ok=all(each.ok for each in found if each.needed),
        checks=[Check(each.name, each.ok, each.message, each.needed) for each in found],
    )


ROUTES = (check,)
