"""A route is declared once, beside its handler; requests, answers and the OpenAPI document follow from it.

    @route("POST", "/v1/sites", "Create a site", scope=Scope.MANAGE, status=201)
    async def create_site(call: Call[NewSite, None]) -> Site: ...

The annotations are the declaration: the first argument of `Call` is the type of the body, the second that of
the query, both msgspec structs or None; what the handler returns is the answer.
    Call[aiohttp.StreamReader, …]   the handler reads the body itself (a streamed import)
    -> None                         204 without a body
    -> Reply[T]                     T with a status or headers of this one answer
    -> web.StreamResponse           the handler has made its own; `gives` and `shows` say what is in it
"""

import types
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import aiohttp
from aiohttp import web

from gateway.context import Context
from gateway.errors import GatewayError, NotFound, Unauthenticated
from storage.ids import Kind, MalformedId, decode_id
from storage.tokens import ApiToken, Scope

JSON = "application/json"
KILOBYTE = 1024

BodyT = TypeVar("BodyT")
QueryT = TypeVar("QueryT")
AnswerT = TypeVar("AnswerT")

# The names of path parameters that are ids: `{site}` holds `site_…`.
PATH_KINDS = {
    "site": Kind.SITE,
    "subscription": Kind.SUBSCRIPTION,
    "message": Kind.MESSAGE,
    "key": Kind.KEY,
    "automation": Kind.AUTOMATION,
    "template": Kind.TEMPLATE,
    "token": Kind.TOKEN,
    "segment": Kind.SEGMENT,
    "category": Kind.CATEGORY,
    "webhook": Kind.WEBHOOK,
    "delivery": Kind.DELIVERY,
    "alert": Kind.ALERT,
    "image": Kind.IMAGE,
}
_PARAMETERS = {kind: name for name, kind in PATH_KINDS.items()}


class Cors(StrEnum):
    NONE = "none"  # admin routes: called by back ends, not by pages
    ORIGIN = "origin"  # the page's own origin, which the route itself checks
    ANY = "any"  # the same answer for everybody, cacheable


@dataclass(frozen=True, slots=True)
class Call(Generic[BodyT, QueryT]):
    """One request after everything that can be checked without the database has been checked."""

    context: Context
    request: web.Request
    body: BodyT
    query: QueryT
    raw_body: bytes
    admitted: ApiToken | None

    @property
    def token(self) -> ApiToken:
        """The token of a route that declares a scope."""
        if self.admitted is None:
            raise Unauthenticated
        return self.admitted

    @property
    def site_id(self) -> int:
        return self.id_of(Kind.SITE)

    def id_of(self, kind: Kind) -> int:
        """The id in the path. NotFound when it is not one: nothing can have that name."""
        return path_id(self.request.match_info, kind)


@dataclass(frozen=True, slots=True)
class Reply(Generic[AnswerT]):
    """An answer whose status or headers differ from what the route declares."""

    value: AnswerT
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Any], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    summary: str
    handler: Handler
    body: type | None
    query: type | None
    answer: Any
    status: int
    scope: Scope | None
    errors: tuple[type[GatewayError], ...]
    body_limit: int
    takes: tuple[str, ...]
    gives: str
    also_gives: tuple[str, ...]
    cors: Cors
    body_optional: bool
    bearer: bool
    request_headers: tuple[str, ...]
    other_statuses: tuple[int, ...]

    @property
    def streams_body(self) -> bool:
        return self.body is aiohttp.StreamReader


def route(
    method: str,
    path: str,
    summary: str,
    *,
    scope: Scope | None = None,
    status: int = 200,
    errors: tuple[type[GatewayError], ...] = (),
    body_limit: int = 64 * KILOBYTE,
    takes: tuple[str, ...] = (JSON,),
    gives: str = JSON,
    also_gives: tuple[str, ...] = (),
    shows: Any = None,
    cors: Cors = Cors.NONE,
    body_optional: bool = False,
    bearer: bool = False,
    request_headers: tuple[str, ...] = (),
    other_statuses: tuple[int, ...] = (),
) -> Callable[[Handler], Route]:
    """Declare a handler's route. `errors` are those of the use case; what the framework answers is added.

    `scope` asks for an API token that has it (and that covers `{site}`, when the path has one). `bearer` only
    documents that the route checks a bearer token itself, a subscription's say. `takes`: the content types of
    the body; an empty body counts as `{}` when `body_optional`. `also_gives`, other content types that a
    caller may ask for, `request_headers` and `other_statuses` (those of a Reply) are for the document.
    """

    def declare(handler: Handler) -> Route:
        hints = get_type_hints(handler, include_extras=True)
        answer = hints.pop("return")
        call = next(iter(hints.values()))
        body, query = (None if each is types.NoneType else each for each in get_args(call))
        if get_origin(answer) is Reply:
            (answer,) = get_args(answer)
        answer = None if answer is types.NoneType else answer
        return Route(
            method=method,
            path=path,
            summary=summary,
            handler=handler,
            body=body,
            query=query,
            answer=shows or answer,
            status=204 if answer is None else status,
            scope=scope,
            errors=errors,
            body_limit=body_limit,
            takes=takes,
            gives=gives,
            also_gives=also_gives,
            cors=cors,
            body_optional=body_optional,
            bearer=bearer or scope is not None,
            request_headers=request_headers,
            other_statuses=other_statuses,
        )

    return declare


def path_id(parameters: Mapping[str, str], kind: Kind) -> int:
    try:
        return decode_id(kind, parameters[_PARAMETERS[kind]])
    except MalformedId:
        raise NotFound from None
