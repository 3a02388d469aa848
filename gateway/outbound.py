"""The one way out for requests that are no pushes: webhooks, and the look at a site's own files.

Their URLs come from admins of one site, and must not become a way into the operator's network: https to
public addresses only, but for hosts that the operator lists (GATEWAY_OUTBOUND_PRIVATE). The address is judged
where the socket is made, on the value that is connected to: a name that resolves to another address a moment
later (rebinding) gains nothing. No redirects, no cookies, no proxy of the environment, a bounded time and
answer.
"""

import asyncio
import errno
import socket
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway import VERSION
from gateway.setting_values import HostPort
from gateway.webpush import is_public, split_authority, split_port

MAX_URL = 2048
PORTS = {"https": 443, "http": 80}
USER_AGENT = f"webpush-gateway/{VERSION}"


class InvalidTarget(ValueError):
    """The text is a sentence for whoever wrote the URL."""


class Trouble(StrEnum):
    """Why there was no answer."""

    REFUSED = "refused"  # by us: the address is no public one
    UNRESOLVED = "unresolved"
    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"  # TLS: the certificate, or the handshake
    TIMEOUT = "timeout"
    BROKEN = "broken"  # what came is no HTTP


class OutboundFailed(Exception):
    """There was no answer; `sentence` says why, and holds nothing of the URL."""

    def __init__(self, trouble: Trouble, sentence: str) -> None:
        self.trouble = trouble
        self.sentence = sentence
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked. `listed`: its host is one of the operator's own, and may be private."""

    url: URL
    listed: bool

    def __str__(self) -> str:
        return str(self.url)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes
    whole: bool  # False: the answer was longer than what is read


@dataclass(frozen=True, slots=True)
class OutboundLimits:
    seconds: float = 10.0  # from looking the name up to the last byte of the answer
    answer: int = 64 * 1024  # bytes that are read
    connections: int = 128


def parse_target(text: str, private: Collection[HostPort] = ()) -> Target:
    """What an admin says is taken apart strictly and put together again from what was checked.

    InvalidTarget with a sentence: https only, to a name (an international one as xn--…) and port 443; user
    names and fragments are refused. Hosts in `private` may also be asked over http, at the ports that are
    listed, and be IP addresses.
    """
    if len(text) > MAX_URL:
        raise InvalidTarget(f"The URL is {len(text)} characters long, at most {MAX_URL} are allowed.")
    if not all("!" <= character <= "~" for character in text):
        raise InvalidTarget("The URL has spaces or characters outside ASCII: write the name as xn--….")
    if "\\" in text or "#" in text:
        raise InvalidTarget("The URL has a backslash or a fragment.")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in PORTS:
        raise InvalidTarget("The URL must begin with https://.")
    authority, path = split_authority(rest)
    if "@" in authority:
        raise InvalidTarget("The URL has a user name or password.")
    try:
        host, port = split_port(authority.lower(), PORTS[scheme])
    except ValueError as error:
        raise InvalidTarget(f"The URL's {error}.") from None
    listed = is_listed(host, port, private)
    if not listed:
        _check_unlisted(scheme, host, port)
    name = f"[{host}]" if ":" in host else host
    where = name if port == PORTS[scheme] else f"{name}:{port}"
    try:
        url = URL(f"{scheme}://{where}{path}", encoded=True)
        same = (url.scheme, url.raw_host, url.port, url.user) == (scheme, host, port, None)
    except ValueError:
        same = False
    if not same:  # no second parser may read another host out of the same text
        raise InvalidTarget("The URL cannot be read.")
    return Target(url, listed)


def is_listed(host: str, port: int, private: Collection[HostPort]) -> bool:
    """Whether the operator named the host with this port, or the host alone and the port is 80 or 443."""
    return any(
        host == each.host and (port == each.port or (each.port is None and port in PORTS.values()))
        for each in private
    )


def _check_unlisted(scheme: str, host: str, port: int) -> None:
    if scheme != "https":
        raise InvalidTarget("The URL must begin with https://.")
    if port != PORTS[scheme]:
        raise InvalidTarget(
            f"The URL's port is {port}: only 443 is allowed, unless the operator lists the host."
        )
    try:
        ip_address(host)
    except ValueError:
        return
    raise InvalidTarget("The URL's host is an IP address: write a name.")


class AddressRefused(OSError):
    """Raised where the socket would be made. The same text for every address: so aiohttp keeps the class."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "not a public address")


def public_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for an address that anybody could be asked to connect to. AddressRefused for any other.

    aiohttp calls it with each address that it is about to connect to, literal ones and those of a name.
    """
    family, kind, protocol, _, address = info
    if not is_public(str(address[0]).partition("%")[0]):
        raise AddressRefused
    return socket.socket(family, kind, protocol)


class Names(AbstractResolver):
    """The system's own way to look names up, on threads that nothing else waits for.

    A look-up cannot be cut off: a name whose servers never answer keeps its thread for half a minute.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, "outbound-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        look_up = partial(
            socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Outbound:
    """Connections are kept open between requests and belong to the event loop of the first one. `close` it.

    `resolver` and `tls` are for tests, and for those who trust another authority than the system does.
    """

    def __init__(
        self,
        *,
        resolver: AbstractResolver | None = None,
        tls: SSLContext | None = None,
        limits: OutboundLimits | None = None,
    ) -> None:
        self._tls = tls
        self._limits = limits or OutboundLimits()
        self._resolver = resolver or Names(self._limits.connections)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def request(
        self,
        method: str,
        target: Target,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """The answer, whatever its status; a redirect is one, and is not followed. OutboundFailed."""
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._ask(method, target, headers or {}, body)
        except TimeoutError:
            raise OutboundFailed(
                Trouble.TIMEOUT, f"There was no whole answer within {self._limits.seconds:g} s."
            ) from None
        except aiohttp.ClientConnectorDNSError as exc:
            raise OutboundFailed(Trouble.UNRESOLVED, "The name of the host cannot be resolved.") from exc
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as exc:
            raise OutboundFailed(Trouble.UNTRUSTED, "The host's certificate cannot be trusted.") from exc
        except aiohttp.ClientConnectorError as exc:
            if isinstance(exc.os_error, AddressRefused):
                raise OutboundFailed(
                    Trouble.REFUSED,
                    "The host's address is not a public one, and it is not in GATEWAY_OUTBOUND_PRIVATE.",
                ) from None
            raise OutboundFailed(Trouble.UNREACHABLE, "The host cannot be connected to.") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise OutboundFailed(Trouble.BROKEN, "The connection broke, or the answer is not HTTP.") from exc

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        await self._resolver.close()

    async def _ask(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        asked = {hdrs.USER_AGENT: USER_AGENT, hdrs.ACCEPT_ENCODING: "identity", **headers}
        async with self._session(target.listed).request(
            method, target.url, headers=asked, data=body, allow_redirects=False
        ) as response:
            read, size = [], 0
            async for part in response.content.iter_any():
                read.append(part)
                size += len(part)
                if size > self._limits.answer:
                    response.close()  # what is still to come is nobody's
                    break
            content = b"".join(read)[: self._limits.answer]
            return Answer(response.status, response.headers, content, size <= self._limits.answer)

    def _session(self, listed: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(listed)
        if session is None:
            connector = aiohttp.TCPConnector(
                resolver=self._resolver,
                use_dns_cache=False,
                ssl=self._tls or True,
                limit=self._limits.connections,
                socket_factory=None if listed else public_socket,
            )
            session = self._sessions[listed] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                raise_for_status=False,
                timeout=aiohttp.ClientTimeout(total=None),  # `request` has its own, to the millisecond
            )
        return session
