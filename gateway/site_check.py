"""Is a site set up right? Asks the website what a browser would ask, and says of each thing what is wrong.

Through the guarded client (gateway.outbound): a site on `localhost`, or in the operator's own network, is
looked at only where the operator lists its host.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from msgspec import json

from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest
from gateway.outbound import Answer, InvalidTarget, Outbound, OutboundFailed, parse_target
from storage import keys, sites
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.sites import Site

WORKER = "/push-sw.js"

_SCRIPT_TYPES = (  # what browsers take a worker's script from (HTML, "JavaScript MIME type")
    "text/javascript",
    "application/javascript",
    "application/x-javascript",
    "text/ecmascript",
    "application/ecmascript",
    "text/x-javascript",
    "text/x-ecmascript",
    "application/x-ecmascript",
    "text/jscript",
    "text/livescript",
)
_IMPORT = re.compile(r"""importScripts\s*\(\s*["'`]([^"'`]+)["'`]""")


class CheckName(StrEnum):
    KEY = "key"
    HTTPS = "https"
    ORIGIN = "origin"
    WORKER_FILE = "worker_file"
    WORKER_CONTENT_TYPE = "worker_content_type"
    WORKER_CODE = "worker_code"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class Check:
    """`needed`: without it no visitor can subscribe. `message`: a sentence, what was found or what to do."""

    name: CheckName
    ok: bool
    message: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """What a URL answered, or why it did not."""

    url: str
    answer: Answer | None
    error: str = ""

    @property
    def text(self) -> str:
        return "" if self.answer is None else self.answer.body.decode("utf-8", "replace")

    @property
    def content_type(self) -> str:
        said = "" if self.answer is None else self.answer.headers.get("Content-Type", "")
        return said.partition(";")[0].strip().lower()

    @property
    def trouble(self) -> str | None:
        """None when there is something to look at."""
        if self.answer is None:
            return self.error
        status = self.answer.status
        if 300 <= status < 400:
            where = urljoin(self.url, self.answer.headers.get("Location", ""))
            return f"{self.url} redirects to {where[:200]}."
        return None if status == 200 else f"{self.url} answers {status}."


async def check_site(
    context: Context, outbound: Outbound, site_id: int, origin: str | None, worker: str
) -> list[Check]:
    """Of one of the site's origins, the first by default. InvalidRequest: another origin; NotFound."""

    async def body(tx: Transaction) -> tuple[Site, bool]:
        return await sites.get(tx, site_id), await keys.newest_active(tx, site_id) is not None

    site, has_key = await context.database.read(body)
    if origin is not None and origin not in site.origins:
        raise InvalidRequest(errors=[FieldError("origin", "This is not one of the site's origins.")])
    origin = origin or site.origins[0]
    home, script = await asyncio.gather(
        _get(context, outbound, f"{origin}/"), _get(context, outbound, origin + worker)
    )
    manifest = manifest_of(home)
    if manifest is not None:
        manifest_page = await _get(context, outbound, manifest)
    else:
        manifest_page = None
    return [
        _key(has_key),
        _https(origin),
        _origin(site, origin, home),
        *_worker(context.settings.public_url, script),
        _manifest(home, manifest_page),
    ]


async def _get(context: Context, outbound: Outbound, url: str) -> Page:
    try:
        target = parse_target(url, context.settings.outbound_private)
        return Page(url, await outbound.request("GET", target))
    except InvalidTarget as exc:
        listed = "The gateway asks other hosts only if the operator lists them in GATEWAY_OUTBOUND_PRIVATE."
        return Page(url, None, f"{url} could not be looked at. {exc} {listed}")
    except OutboundFailed as exc:
        return Page(url, None, f"{url} could not be looked at. {exc.sentence}")


def _key(has_key: bool) -> Check:
    if has_key:
        return Check(CheckName.KEY, True, "The site has an active application server key.")
    return Check(
        CheckName.KEY,
        False,
        "The site has no active application server key: add one, or resume the paused one.",
    )


def _https(origin: str) -> Check:
    if origin.startswith("https://"):
        return Check(CheckName.HTTPS, True, "The site is served over HTTPS.")
    local = "Browsers take http for localhost only: visitors need an https:// origin."
    return Check(CheckName.HTTPS, False, f"{origin} is not HTTPS. {local}", needed=False)


def _origin(site: Site, origin: str, home: Page) -> Check:
    name = CheckName.ORIGIN
    if home.answer is not None and 300 <= home.answer.status < 400:
        where = urlsplit(urljoin(home.url, home.answer.headers.get("Location", "")))
        there = f"{where.scheme}://{where.netloc}"
        if there == origin or there in site.origins:
            return Check(name, True, f"{home.trouble} Both are among the site's origins.")
        return Check(
            name, False, f"{home.trouble} Add {there[:200]} to the site's origins: visitors arrive there."
        )
    if home.trouble is not None:
        return Check(name, False, home.trouble)
    if f"/sdk/{encode_id(Kind.SITE, site.id)}.js" in home.text:
        return Check(name, True, f"{home.url} loads the site's script.")
    return Check(
        name,
        True,
        f"{home.url} answers, but the site's snippet is not in its HTML: "
        "put it into the pages on which visitors subscribe, if no tag manager adds it.",
    )


def _worker(gateway: str, script: Page) -> Iterator[Check]:
    file, kind, code = CheckName.WORKER_FILE, CheckName.WORKER_CONTENT_TYPE, CheckName.WORKER_CODE
    wanted = f'importScripts("{gateway}/sdk/sw.js")'
    if script.trouble is not None:
        why = "Browsers take a worker from no redirect." if "redirects" in script.trouble else ""
        yield Check(file, False, f"{script.trouble} {why}".strip() + f" Its one line is: {wanted}")
        yield Check(kind, False, "There is no file to look at.")
        yield Check(code, False, "There is no file to look at.")
        return
    yield Check(file, True, f"{script.url} is there.")
    if script.content_type in _SCRIPT_TYPES:
        yield Check(kind, True, f"It is served as {script.content_type}.")
    else:
        said = script.content_type[:100] or "nothing"
        yield Check(kind, False, f"It is served as {said}: browsers need text/javascript.")
    imported = _IMPORT.findall(script.text)
    if f"{gateway}/sdk/sw.js" in imported:
        yield Check(code, True, "It imports the gateway's worker.")
    elif any(each.endswith("/sdk/sw.js") for each in imported):
        yield Check(code, False, f"It imports the worker of another address. It should be: {wanted}")
    else:
        yield Check(code, False, f"It does not import the gateway's worker. Add: {wanted}")


class _ManifestLink(HTMLParser):
    href: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and self.href is None and "manifest" in (given.get("rel") or "").lower().split():
            self.href = given.get("href")


def manifest_of(home: Page) -> str | None:
    """The URL of the web app manifest that a page names."""
    if home.trouble is not None:
        return None
    found = _ManifestLink()
    found.feed(home.text)
    return urljoin(home.url, found.href) if found.href else None


def _manifest(home: Page, manifest: Page | None) -> Check:
    def say(ok: bool, message: str) -> Check:
        return Check(CheckName.MANIFEST, ok, message, needed=False)

    on_ios = "iPhones and iPads give push to sites on the Home Screen only"
    if home.trouble is not None:
        return say(False, "The page could not be looked at.")
    if manifest is None:
        return say(False, f"{home.url} names no web app manifest: {on_ios}, and those need one.")
    if manifest.trouble is not None:
        return say(False, manifest.trouble)
    try:
        said: Any = json.decode(manifest.text)
    except ValueError:
        said = None
    display = said.get("display") if isinstance(said, dict) else None
    if display in ("standalone", "fullscreen"):
        return say(True, f"The manifest says display: {display}, as iPhones and iPads need it.")
    return say(False, f'The manifest does not say "display": "standalone": {on_ios}, and those need it.')
