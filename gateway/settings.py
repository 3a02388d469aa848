"""What an operator decides, read once at start: environment variables `GATEWAY_*`, behind them a TOML file.

In the file a setting has its name without the prefix, in lower case: `GATEWAY_DATA_DIR` is `data_dir`.
A secret may also be read from a file: `GATEWAY_ADMIN_TOKEN_FILE`. docs/settings.md holds the same words.
"""

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from gateway.errors import CannotStart
from gateway.master_key import parse_master_key
from gateway.setting_values import (
    HostPort,
    IPNetwork,
    parse_admin_token,
    parse_choice,
    parse_database_url,
    parse_directory,
    parse_header_name,
    parse_hosts,
    parse_networks,
    parse_number,
    parse_public_url,
    parse_push_hosts,
    parse_readable_file,
    parse_text,
)
from gateway.webpush import PushHosts

PREFIX = "GATEWAY_"
DATABASE_FILE = "gateway.db"


def _cores() -> int:
    """Those this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0))


def _told(parse: Callable[[str], object], shown: str, doc: str) -> dict[str, object]:
    """`shown` is how the documentation writes the default, `doc` its one line."""
    return {"parse": parse, "shown": shown, "doc": doc}


@dataclass(frozen=True, slots=True)
class Settings:
    """Complete and valid: `public_url` and `database_url` follow from the others when not set.

    Secrets are the fields that `repr` leaves out.
    """

    host: str = field(
        default="127.0.0.1",
        metadata=_told(parse_text, "127.0.0.1", "The address to listen on."),
    )
    port: int = field(
        default=8080,
        metadata=_told(parse_number(1, 65535), "8080", "The port to listen on."),
    )
    public_url: str = field(
        default="",
        metadata=_told(parse_public_url, "http://HOST:PORT", "What browsers use to reach the gateway."),
    )
    data_dir: Path = field(
        default_factory=lambda: Path("data").absolute(),
        metadata=_told(parse_directory, "./data", "Where the database and the master key live."),
    )
    database_url: str = field(
        default="",
        repr=False,
        metadata=_told(
            parse_database_url,
            f"{DATABASE_FILE} in the data directory",
            "`postgresql://…` for many machines, or `sqlite:////path` for a file elsewhere.",
        ),
    )
    admin_token: str | None = field(
        default=None,
        repr=False,
        metadata=_told(
            parse_admin_token,
            "made at the first start",
            "The token that may do everything, preset for automation: 16 to 256 characters.",
        ),
    )
    master_key: bytes | None = field(
        default=None,
        repr=False,
        metadata=_told(
            parse_master_key,
            "`master.key` in the data directory, made at the first start",
            "32 bytes in base64 that seal private keys at rest; the same on every machine of one database.",
        ),
    )
    senders: int = field(
        default_factory=_cores,
        metadata=_told(parse_number(0, 256), "number of cores", "How many sender processes `serve` starts."),
    )
    api_processes: int = field(
        default=1,
        metadata=_told(
            parse_number(1, 64),
            "1",
            "How many processes answer requests, on one port; one is enough for most.",
        ),
    )
    push_hosts: PushHosts = field(
        default_factory=PushHosts,
        metadata=_told(
            parse_push_hosts,
            "none",
            "Hosts, `host[:port],…`, that endpoints may have besides those of the known push services; "
            "only these may be loopback or private.",
        ),
    )
    push_ca_file: Path | None = field(
        default=None,
        metadata=_told(
            parse_readable_file,
            "the system's",
            "The CA certificates, a PEM file, that push services are checked with.",
        ),
    )
    trusted_proxies: tuple[IPNetwork, ...] = field(
        default=(),
        metadata=_told(parse_networks, "none", "Networks, `10.0.0.0/8,…`, whose `X-Forwarded-For` counts."),
    )
    country_header: str | None = field(
        default=None,
        metadata=_told(
            parse_header_name,
            "off",
            "The header in which a trusted proxy says the visitor's country, `CF-IPCountry` say; "
            "needs `GATEWAY_TRUSTED_PROXIES`.",
        ),
    )
    outbound_private: tuple[HostPort, ...] = field(
        default=(),
        metadata=_told(
            parse_hosts,
            "none",
            "Hosts, `host[:port],…`, that webhooks and set-up checks may reach at private addresses and over "
            "http; without a port 80 and 443.",
        ),
    )
    keep_deliveries: int = field(
        default=90,
        metadata=_told(
            parse_number(0, 36_500),
            "90",
            "Days after a message's end for which what became of each recipient is kept; 0: for ever.",
        ),
    )
    keep_events: int = field(
        default=90,
        metadata=_told(
            parse_number(0, 36_500),
            "90",
            "Days for which events are kept one by one; 0: for ever. No event of an older push counts.",
        ),
    )
    metrics_port: int | None = field(
        default=None,
        metadata=_told(
            parse_number(1, 65535), "off", "A port of its own for `/metrics`, where it needs no token."
        ),
    )
    log_format: str | None = field(
        default=None,
        metadata=_told(parse_choice("text", "json"), "text on a terminal, else json", "`text` or `json`."),
    )

    def __post_init__(self) -> None:
        if not self.public_url:
            object.__setattr__(self, "public_url", f"http://{_browsable(self.host)}:{self.port}")
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{self.data_dir / DATABASE_FILE}")


def load_settings(environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """The environment over the file over the defaults; an empty variable counts as not set.

    CannotStart names every problem at once: unknown settings, wrong values, files that cannot be read.
    """
    problems: list[str] = []
    values: dict[str, object] = {}
    for source in _sources(environ, config, problems):
        for name, given in source.items():
            try:
                values[name] = _FIELDS[name].metadata["parse"](given.text)
            except ValueError as exc:
                problems.append(f"{given.label} {exc}.")
    if values.get("country_header") and not values.get("trusted_proxies"):
        problems.append(f"{PREFIX}COUNTRY_HEADER needs {PREFIX}TRUSTED_PROXIES: nobody else is believed.")
    if problems:
        raise CannotStart(*problems)
    return Settings(**values)  # type: ignore[arg-type]


class _Given(NamedTuple):
    label: str  # as the operator wrote it, to name it in a sentence
    text: str


_FIELDS: dict[str, Field[Any]] = {each.name: each for each in fields(Settings)}
_SECRET_FILES = {f"{name}_file": name for name, each in _FIELDS.items() if not each.repr}


def _sources(
    environ: Mapping[str, str], config: Path | None, problems: list[str]
) -> Iterator[dict[str, _Given]]:
    """Weakest first."""
    if config is not None:
        in_file = {name: _Given(f"{name} in {config}", text) for name, text in _read_toml(config, problems)}
        yield _known(in_file, problems)
    in_environment = {
        variable.removeprefix(PREFIX).lower(): _Given(variable, text.strip())
        for variable, text in environ.items()
        if variable.startswith(PREFIX) and text.strip()
    }
    yield _known(in_environment, problems)


def _known(source: dict[str, _Given], problems: list[str]) -> dict[str, _Given]:
    known: dict[str, _Given] = {}
    for name, given in source.items():
        if name in _FIELDS:
            known[name] = given
        elif name not in _SECRET_FILES:
            likely = get_close_matches(name, [*_FIELDS, *_SECRET_FILES], 1)
            hint = f"; did you mean {PREFIX + likely[0].upper()}?" if likely else "."
            problems.append(f"{given.label} is not a setting{hint}")
    for file_name, name in _SECRET_FILES.items():
        if file_name not in source:
            continue
        given = source[file_name]
        if name in known:
            problems.append(f"{given.label} and {known[name].label} are both set: keep one.")
            continue
        try:
            known[name] = _Given(given.label, Path(given.text).read_text("utf-8").strip())
        except (OSError, UnicodeDecodeError) as exc:
            problems.append(f"{given.label} names a file that cannot be read: {exc}.")
    return known


def _read_toml(config: Path, problems: list[str]) -> Iterator[tuple[str, str]]:
    try:
        content = tomllib.loads(config.read_text("utf-8"))
    except (OSError, ValueError) as exc:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        problems.append(f"The settings file {config} cannot be read: {exc}.")
        return
    for name, value in content.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            yield name, ",".join(value)
        elif isinstance(value, str | int) and not isinstance(value, bool):
            yield name, str(value)
        else:
            problems.append(f"{name} in {config} must be a text, a number or a list of texts.")


def _browsable(host: str) -> str:
    """A browser cannot open "all addresses"; on the machine itself loopback is one of them."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host
