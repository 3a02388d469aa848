"""The scripts that websites load, read once at start; the page script holds its site's configuration."""

from pathlib import Path

import msgspec

from gateway.api.assets import Asset
from storage.ids import Kind, encode_id

JAVASCRIPT = "text/javascript"

_PLACEHOLDER = b'"__PUSH_GATEWAY_CONFIG__"'
_KEPT = 1_000


class Scripts:
    """`gateway` is the URL that browsers use. OSError, ValueError: the scripts are not built."""

    def __init__(self, directory: Path, gateway: str) -> None:
        self.worker = Asset.of((directory / "sw.js").read_bytes(), JAVASCRIPT)
        self._page = (directory / "sdk.js").read_bytes()
        if self._page.count(_PLACEHOLDER) != 1:
            raise ValueError("sdk.js does not say where its configuration goes: build it again")
        self._gateway = gateway
        self._of_site: dict[int, Asset] = {}

    def page_of(self, site_id: int) -> Asset:
        """The page script of one site, put together at its first request."""
        found = self._of_site.get(site_id)
        if found is None:
            configuration = {"site": encode_id(Kind.SITE, site_id), "gateway": self._gateway}
            body = self._page.replace(_PLACEHOLDER, msgspec.json.encode(configuration))
            found = Asset.of(body, JAVASCRIPT)
            if len(self._of_site) >= _KEPT:
                self._of_site.clear()
            self._of_site[site_id] = found
        return found
