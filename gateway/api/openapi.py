"""The OpenAPI 3.1 document, made from the route table and the types that validate the requests."""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from gateway.api.problems import PROBLEM, Problem
from gateway.api.route import PATH_KINDS, Route
from gateway.errors import (
    Forbidden,
    GatewayError,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestTimeout,
    TooLarge,
    TooManyConnections,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from gateway.webpush import Provider

Json = dict[str, Any]

_TITLE = "Web-push gateway"
_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)}")
_ID_LENGTH = 13
_PATH_VALUES = {"provider": [str(each) for each in Provider]}


def build_document(routes: Sequence[Route], version: str) -> Json:
    """A complete document; routes of one path in the order of the table."""
    schemas = _Schemas(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE,
            "version": version,
            "description": "Times are RFC 3339 in UTC, ids are opaque, failures are as in RFC 9457.",
        },
        "paths": paths,
        "x-errors": _errors(routes),
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Schemas:
    """The JSON Schema of every type that a route names, computed together so that names are distinct."""

    def __init__(self, routes: Iterable[Route]) -> None:
        named: dict[Any, None] = {Problem: None}
        for route in routes:
            for each in (route.body, route.query, route.answer):
                if _has_schema(each):
                    named[each] = None
        of_types = list(named)
        schemas, self.components = msgspec.json.schema_components(of_types, ref_template=_REF)
        self._of: dict[Any, Json] = dict(zip(of_types, schemas, strict=True))

    def of(self, each: Any) -> Json:
        return self._of[each] if _has_schema(each) else {"type": "string"}

    def fields_of(self, struct: type) -> tuple[Mapping[str, Json], Sequence[str]]:
        """The properties of a query struct, and which of them are required."""
        component = self.components[self._of[struct]["$ref"].rpartition("/")[2]]
        return component["properties"], component.get("required", ())


def _errors(routes: Iterable[Route]) -> list[Json]:
    """Every code that an answer may carry, for the page that a problem's `type` leads to."""
    found: set[type[GatewayError]] = {
        MethodNotAllowed,
        Internal,
        TooManyConnections,
        *(error for route in routes for error in possible_errors(route)),
    }
    in_order = sorted(found, key=lambda error: (error.status, error.code))
    return [{"code": each.code, "status": each.status, "title": each.title} for each in in_order]


def _has_schema(each: Any) -> bool:
    if each is None or each is aiohttp.StreamReader:
        return False
    return not (isinstance(each, type) and issubclass(each, web.StreamResponse))


def _operation(route: Route, schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [route.handler.__module__.rpartition(".")[2]],
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
    }
    if route.handler.__doc__:
        operation["description"] = inspect.cleandoc(route.handler.__doc__)
    if route.bearer:
        operation["security"] = [{"bearer": [] if route.scope is None else [str(route.scope)]}]
    if route.body is not None:
        schema = schemas.of(route.body)
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": {content_type: {"schema": schema} for content_type in route.takes},
        }
    return operation


def _parameters(route: Route, schemas: _Schemas) -> list[Json]:
    parameters = []
    for name in _PARAMETER.findall(route.path):
        schema: Json = {"type": "string"}
        if name in PATH_KINDS:
            schema["pattern"] = f"^{PATH_KINDS[name]}_[0-9a-hjkmnp-tv-z]{{{_ID_LENGTH}}}$"
        if name in _PATH_VALUES:
            schema["enum"] = _PATH_VALUES[name]
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    for header in route.request_headers:
        schema = {"type": "string", "maxLength": 255}
        parameters.append({"name": header, "in": "header", "required": False, "schema": schema})
    if route.query is not None:
        properties, required = schemas.fields_of(route.query)
        for name, schema in properties.items():
            parameters.append({"name": name, "in": "query", "required": name in required, "schema": schema})
    return parameters


def _responses(route: Route, schemas: _Schemas) -> Json:
    responses: Json = {}
    for status in (route.status, *route.other_statuses):
        answer: Json = {"description": route.summary}
        if route.answer is not None and status < 300:
            answer["content"] = {route.gives: {"schema": schemas.of(route.answer)}}
            answer["content"] |= {other: {"schema": {"type": "string"}} for other in route.also_gives}
        responses[str(status)] = answer
    by_status: dict[int, list[type[GatewayError]]] = {}
    for error in possible_errors(route):
        by_status.setdefault(error.status, []).append(error)
    for status, errors in sorted(by_status.items()):
        if str(status) in responses:  # the route says itself what it answers with this status
            continue
        responses[str(status)] = {
            "description": "; ".join(f"`{error.code}`: {error.title}" for error in errors),
            "content": {PROBLEM: {"schema": schemas.of(Problem)}},
        }
    return responses


def possible_errors(route: Route) -> Iterable[type[GatewayError]]:
    """What the handler declares and what the framework may answer before it, without repetition."""
    found: dict[type[GatewayError], None] = {}
    if route.scope is not None:
        found |= {Unauthenticated: None, Forbidden: None}
    if _PARAMETER.search(route.path):
        found[NotFound] = None
    if route.query is not None or route.body is not None or route.request_headers:
        found[InvalidRequest] = None
    if route.body is not None:
        found |= {RequestTimeout: None, TooLarge: None, UnsupportedMediaType: None}
    return {**found, **dict.fromkeys(route.errors), Unavailable: None}
