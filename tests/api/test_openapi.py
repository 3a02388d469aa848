import re
from pathlib import Path
from typing import Any

import pytest

from gateway.api.server import ALL_ROUTES
from gateway.errors import GatewayError
from tests.api.conftest import Api

ERRORS = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = await api.with_token(None).get("/openapi.json")
    return found


async def test_the_document_describes_every_route(document: dict[str, Any]) -> None:
    described = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    }
    assert described == {(each.method, each.path) for each in ALL_ROUTES}
    assert document["openapi"] == "3.1.0"


async def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r"'#/components/schemas/([^']+)'", repr(document)))
    assert references <= set(document["components"]["schemas"])
    assert "NewMessage" in references


async def test_operations_have_distinct_names(document: dict[str, Any]) -> None:
    names = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(names) == len(set(names))


async def test_limits_of_fields_are_in_the_document(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Options"]["properties"]["ttl"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 2_419_200,
        "default": 259_200,
        "description": "Seconds; 3 days when not given.",
    }
    assert schemas["NewMessage"]["additionalProperties"] is False


def all_errors(root: type[GatewayError] = GatewayError) -> set[type[GatewayError]]:
    return {root}.union(*(all_errors(each) for each in root.__subclasses__()))


async def test_every_code_that_the_document_names_is_documented(document: dict[str, Any]) -> None:
    codes = set(re.findall(r"`(\w+)`: [A-Z]", repr(document["paths"])))
    codes |= {each["code"] for each in document["x-errors"]}
    assert {"unauthenticated", "internal", "payload_too_large", "idempotency_key_reused"} <= codes
    assert codes <= {each.code for each in all_errors()}
    assert all(f"`{code}` | " in ERRORS for code in codes)


async def test_the_document_is_revalidated_with_its_etag(api: Api) -> None:
    response = await api.call("GET", "/openapi.json", 200)
    await api.call("GET", "/openapi.json", 304, headers={"If-None-Match": response.headers["ETag"]})


async def test_the_page_needs_no_other_host_and_no_inline_script(api: Api) -> None:
    nobody = api.with_token(None)
    page = await nobody.call("GET", "/docs", 200)
    assert page.content_type == "text/html"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    html = await page.text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|style=|https?://", html)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert set(loaded) >= {"/docs/docs.js", "/docs/docs.css", "/openapi.json"}
    for path in loaded:
        text = await (await nobody.call("GET", path, 200)).text()
        assert path == "/openapi.json" or not re.search(r"https?://", text)
