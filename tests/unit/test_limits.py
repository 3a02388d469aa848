from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.errors import TooManyRequests
from gateway.limits import AddressLimiter, client_address
from tests.fakes.clock import FakeClock

VISITOR = IPv4Address("192.0.2.1")
TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def taken(limiter: AddressLimiter, address: IPv4Address | IPv6Address = VISITOR, tries: int = 100) -> int:
    count = 0
    for _ in range(tries):
        try:
            limiter.check(address)
        except TooManyRequests:
            continue
        count += 1
    return count


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    clock = FakeClock()
    limiter = AddressLimiter(clock, rate=2, burst=10)
    assert taken(limiter) == 10
    clock.advance(3)
    assert taken(limiter) == 6
    clock.advance(1_000)
    assert taken(limiter) == 10


def test_a_refusal_says_when_the_next_token_comes() -> None:
    clock = FakeClock()
    limiter = AddressLimiter(clock, rate=0.1, burst=1)
    limiter.check(VISITOR)
    clock.advance(3.5)
    with pytest.raises(TooManyRequests) as caught:
        limiter.check(VISITOR)
    assert caught.value.retry_after == 7
    clock.advance(6.5)
    limiter.check(VISITOR)


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 8), st.sampled_from([0.1, 0.3, 1, 7]))
def test_no_sequence_of_requests_gets_more_than_burst_and_rate(
    pauses: list[float], burst: int, rate: float
) -> None:
    clock = FakeClock()
    limiter = AddressLimiter(clock, rate, burst)
    count = 0
    for pause in pauses:
        clock.advance(pause)
        count += taken(limiter, tries=1)
    assert count <= burst + rate * sum(pauses) + 1e-6


def test_addresses_do_not_share_a_bucket_but_an_ipv6_network_does() -> None:
    limiter = AddressLimiter(FakeClock(), rate=1, burst=3)
    assert taken(limiter) == 3
    assert taken(limiter, IPv4Address("192.0.2.2")) == 3
    assert taken(limiter, IPv6Address("2001:db8:0:1::1")) == 3
    assert taken(limiter, IPv6Address("2001:db8:0:1:ffff::2")) == 0
    assert taken(limiter, IPv6Address("2001:db8:0:2::1")) == 3
    assert taken(limiter, IPv6Address(f"::{VISITOR}")) == 3


def test_memory_is_bounded_and_forgets_whom_it_has_not_seen_longest() -> None:
    limiter = AddressLimiter(FakeClock(), rate=1, burst=1, most=100)
    first = IPv4Address(1)
    limiter.check(first)
    for number in range(2, 101):
        limiter.check(IPv4Address(number))
    assert len(limiter) == 100
    assert taken(limiter, first) == 0
    limiter.check(IPv4Address(101))
    assert len(limiter) == 100
    assert taken(limiter, first) == 1


def request(remote: str | None, *forwarded: str) -> web.BaseRequest:
    headers = CIMultiDict([("X-Forwarded-For", each) for each in forwarded])
    return make_mocked_request("GET", "/", headers=headers).clone(remote=remote or "")


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.9"], "192.0.2.1"),  # a stranger's own header counts for nothing
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["1.1.1.1, 192.0.2.1"], "192.0.2.1"),  # the left one was sent by the visitor
        ("10.0.0.1", ["1.1.1.1", "192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1, 10.2.3.4"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1:50123"], "192.0.2.1"),
        ("10.0.0.1", ["[2001:db8::1]:50123"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1, garbage"], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (None, ["192.0.2.1"], "0.0.0.0"),
    ],
)
def test_the_visitors_address_is_what_the_last_trusted_proxy_saw(
    remote: str | None, forwarded: list[str], address: str
) -> None:
    assert client_address(request(remote, *forwarded), TRUSTED) == ip_address(address)


def test_without_trusted_proxies_the_header_is_not_read() -> None:
    assert client_address(request("10.0.0.1", "192.0.2.1"), ()) == ip_address("10.0.0.1")


@given(st.text(max_size=60))
def test_whatever_the_header_holds_an_address_comes_out(text: str) -> None:
    try:
        made = request("10.0.0.1", text)
    except ValueError:
        return
    assert client_address(made, TRUSTED) is not None
