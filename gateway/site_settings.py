"""What a site's admin has set for all of its messages: the JSON of `sites.settings`."""

from enum import StrEnum

from msgspec import Struct, json

from gateway.campaigns.frequency import FrequencyCap, check_frequency_cap
from gateway.campaigns.quiet_hours import QuietHours, check_quiet_hours
from gateway.campaigns.quotas import NO_QUOTAS, Quotas
from gateway.campaigns.utm import Utm
from gateway.errors import FieldError
from gateway.subscription_fields import Timezone, check_zone
from storage.sites import Site


class SdkChannel(StrEnum):
    """Which release of the scripts a site's pages and workers load."""

    STABLE = "stable"
    NEXT = "next"


class SiteSettings(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Every field has a default that stands for "not set"."""

    timezone: Timezone = "UTC"
    quiet_hours: QuietHours | None = None
    utm: Utm | None = None
    frequency_cap: FrequencyCap | None = None
    quotas: Quotas = NO_QUOTAS
    sdk_channel: SdkChannel = SdkChannel.STABLE


_DECODER = json.Decoder(SiteSettings)
_ENCODER = json.Encoder()
_NONE = SiteSettings()


def read_settings(site: Site) -> SiteSettings:
    """What `write_settings` stored."""
    return _NONE if site.settings == "{}" else _DECODER.decode(site.settings)


def write_settings(settings: SiteSettings) -> str:
    return _ENCODER.encode(settings).decode()


def check_settings(settings: SiteSettings) -> list[FieldError]:
    """What types cannot say, with paths from the site's fields on."""
    return [
        *check_zone(settings.timezone, "settings.timezone"),
        *check_quiet_hours(settings.quiet_hours, "settings.quiet_hours"),
        *check_frequency_cap(settings.frequency_cap, "settings.frequency_cap"),
    ]
