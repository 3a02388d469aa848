"""Files that browsers load, read and hashed once at start: a request picks from a table, never a path."""

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import hdrs, web

STATIC = Path(__file__).resolve().parents[2] / "static"

_TEXT = ("text/", "application/json", "application/manifest+json", "image/svg+xml")
# Named here, because what `mimetypes` knows depends on the machine's own tables.
_TYPES = {
    ".js": "text/javascript",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    zipped: bytes | None  # gzip, where it is smaller
    content_type: str  # with its charset
    etag: str
    zipped_etag: str  # another, as RFC 9110 section 8.8.3.3 asks

    @classmethod
    def of(cls, body: bytes, content_type: str) -> "Asset":
        is_text = content_type.startswith(_TEXT)
        zipped = gzip.compress(body, 9, mtime=0) if is_text else body
        return cls(
            body,
            zipped if len(zipped) < len(body) else None,
            f"{content_type}; charset=utf-8" if is_text else content_type,
            etag_of(body),
            etag_of(zipped),
        )

    def response(self, request: web.Request, headers: Mapping[str, str]) -> web.Response:
        """200, or 304 when the request names this content's ETag (RFC 9110 section 13.1.2)."""
        zipped = self.zipped is not None and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
        etag = self.zipped_etag if zipped else self.etag
        answer = dict(headers) | {hdrs.ETAG: etag}
        if self.zipped is not None:
            answer[hdrs.VARY] = hdrs.ACCEPT_ENCODING
        if knows(request, etag):
            return web.Response(status=304, headers=answer)
        answer[hdrs.CONTENT_TYPE] = self.content_type
        if zipped:
            answer[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=self.zipped if zipped else self.body, headers=answer)


def load_assets(directory: Path) -> dict[str, Asset]:
    """Every file below `directory` by its relative path with slashes, hidden ones left out."""
    return {
        path.relative_to(directory).as_posix(): Asset.of(path.read_bytes(), _type_of(path))
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(directory).parts)
    }


def _type_of(path: Path) -> str:
    return _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def etag_of(body: bytes) -> str:
    """A strong one."""
    return f'"{sha256(body).hexdigest()[:24]}"'


def knows(request: web.Request, etag: str) -> bool:
    """Whether the caller has this content already (If-None-Match, RFC 9110 section 13.1.2)."""
    given = request.headers.get(hdrs.IF_NONE_MATCH, "").split(",")
    return any(each.strip().removeprefix("W/") in ("*", etag) for each in given)
