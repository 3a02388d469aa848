"""Every failure as application/problem+json (RFC 9457); the one place that turns exceptions into answers.

What the caller reads: `type`, `title`, `status`, `detail`, a stable `code`, the request's id, and `errors`
for invalid input. What the operator's log reads: the cause, under the same request id.
"""

import random
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from gateway.errors import Conflict as ConflictProblem
from gateway.errors import (
    FieldError,
    GatewayError,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Unavailable,
)
from gateway.logs import Log, answering
from storage.errors import Conflict, StorageUnavailable
from storage.errors import NotFound as NotStored

log = Log(__name__)

PROBLEM = "application/problem+json"
REQUEST_ID = web.RequestKey("request_id", str)
_DOCUMENTED_AT = "/docs#"  # resolved against the request, as RFC 9457 section 3.1.1 allows

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ProblemField(msgspec.Struct, frozen=True):
    path: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457 section 3, with `code` for programs, `request_id` for the operator, `errors` for forms."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: tuple[ProblemField, ...] = ()
    bytes_over: int = 0


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    # Nobody gains by guessing it, and the system's generator takes ten times as long.
    request[REQUEST_ID] = f"{random.getrandbits(64):016x}"
    answering.set(request[REQUEST_ID])
    try:
        return await handler(request)
    except GatewayError as exc:
        return problem_response(request, exc)
    except web.HTTPException as exc:
        if exc.status < 400:
            raise  # no failure: "not modified", say
        return _of_aiohttp(request, exc)
    except NotStored:
        return problem_response(request, NotFound())
    except Conflict:
        return problem_response(request, ConflictProblem())
    except StorageUnavailable as exc:
        log.error("storage.unavailable", hint=exc.hint, cause=exc.__cause__)
        return problem_response(request, Unavailable("The database cannot be used right now."))
    except ConnectionResetError:  # the caller has gone: nobody reads this, and nothing is wrong here
        return problem_response(request, InvalidRequest("The body ended before it was complete."))
    except Exception as exc:
        # The route's pattern, not the path: what strangers write stays out of the log.
        resource = request.match_info.route.resource
        route = f"{request.method} {'' if resource is None else resource.canonical}"
        log.error("request.failed", route=route, cause=exc)
        return problem_response(request, Internal())


def problem_response(request: web.Request, error: GatewayError) -> web.Response:
    fields: tuple[FieldError, ...] = getattr(error, "errors", ())
    problem = Problem(
        type=f"{_DOCUMENTED_AT}{error.code}",
        title=error.title,
        status=error.status,
        code=error.code,
        detail=error.sentence,
        request_id=request[REQUEST_ID],
        errors=tuple(ProblemField(each.path, each.message) for each in fields),
        bytes_over=getattr(error, "bytes_over", 0),
    )
    response = web.Response(status=error.status, body=msgspec.json.encode(problem), content_type=PROBLEM)
    retry_after: int | None = getattr(error, "retry_after", None)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if error.status == 408:
        response.force_close()  # the rest may still come, and would be read as the next request
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 6750 section 3
    return response


def _of_aiohttp(request: web.Request, exc: web.HTTPException) -> web.StreamResponse:
    """aiohttp's own: a path or a method that no route has."""
    if isinstance(exc, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(exc.allowed_methods))
        response = problem_response(request, MethodNotAllowed(f"This resource knows {allowed}."))
        response.headers["Allow"] = allowed
        return response
    if isinstance(exc, web.HTTPNotFound):
        return problem_response(request, NotFound("There is nothing at this path."))
    return problem_response(request, InvalidRequest() if exc.status < 500 else Internal())
