"""What a site's admin has set for all of its messages: the JSON of `sites.settings`."""

from msgspec import Struct, json

from storage.sites import Site


class SiteSettings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Every field has a default that stands for "not set"."""


_DECODER = json.Decoder(SiteSettings)
_ENCODER = json.Encoder()
_NONE = SiteSettings()


def read_settings(site: Site) -> SiteSettings:
    """What `write_settings` stored."""
    return _NONE if site.settings == "{}" else _DECODER.decode(site.settings)


def write_settings(settings: SiteSettings) -> str:
    return _ENCODER.encode(settings).decode()
