"""The scripts that websites load, read once at start; the page script holds its site's configuration."""

from pathlib import Path

import msgspec

from gateway.api.assets import Asset
from gateway.site_settings import SdkChannel
from storage.ids import Kind, encode_id

JAVASCRIPT = "text/javascript"

_PLACEHOLDER = b'"__PUSH_GATEWAY_CONFIG__"'
_KEPT = 1_000


class Scripts:
    """`gateway` is the URL that browsers use. OSError, ValueError: the scripts are not built.

    Below `next` there may be others, one or both, for sites of that channel; what is not there is the same.
    """

    def __init__(self, directory: Path, gateway: str) -> None:
        self._workers: dict[SdkChannel, Asset] = {}
        self._pages: dict[SdkChannel, bytes] = {}
        for channel in SdkChannel:
            self._workers[channel] = Asset.of(_read(directory, channel, "sw.js"), JAVASCRIPT)
            self._pages[channel] = _read(directory, channel, "sdk.js")
            if self._pages[channel].count(_PLACEHOLDER) != 1:
                raise ValueError("sdk.js does not say where its configuration goes: build it again")
        self._gateway = gateway
        self._of_site: dict[tuple[int, SdkChannel], Asset] = {}

    def worker(self, channel: SdkChannel = SdkChannel.STABLE) -> Asset:
        return self._workers[channel]

    def page_of(self, site_id: int, channel: SdkChannel = SdkChannel.STABLE) -> Asset:
        """The page script of one site, put together at its first request."""
        found = self._of_site.get((site_id, channel))
        if found is None:
            configuration = {"site": encode_id(Kind.SITE, site_id), "gateway": self._gateway}
            body = self._pages[channel].replace(_PLACEHOLDER, msgspec.json.encode(configuration))
            found = Asset.of(body, JAVASCRIPT)
            if len(self._of_site) >= _KEPT:
                self._of_site.clear()
            self._of_site[site_id, channel] = found
        return found


def _read(directory: Path, channel: SdkChannel, name: str) -> bytes:
    file = directory / "next" / name
    if channel is SdkChannel.STABLE or not file.exists():
        file = directory / name
    return file.read_bytes()
