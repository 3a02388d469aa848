"""What the fakes keep for a browser that is away."""

from multidict import CIMultiDict, CIMultiDictProxy

from tests.fakes.mailbox import Mailbox
from tests.fakes.rules import Push

NOW = 1_800_000_000


def push(ttl: int, topic: str = "") -> Push:
    headers = {"TTL": str(ttl), **({"Topic": topic} if topic else {})}
    return Push("POST", CIMultiDictProxy(CIMultiDict(headers)), b"body")


def waiting(mailbox: Mailbox) -> list[str]:
    return [letter.message_id for letter in mailbox.pending()]


def test_a_letter_waits_until_the_browser_has_it() -> None:
    mailbox = Mailbox(lambda: NOW)
    mailbox.put("m1", "a", push(60), online=False)
    mailbox.put("m2", "a", push(60), online=True)
    assert waiting(mailbox) == ["m1", "m2"]
    mailbox.settle("m1")
    assert waiting(mailbox) == ["m2"]


def test_a_ttl_of_zero_is_for_browsers_that_are_there() -> None:
    mailbox = Mailbox(lambda: NOW)
    mailbox.put("m1", "a", push(0), online=False)
    assert waiting(mailbox) == []


def test_a_letter_expires_with_its_ttl() -> None:
    now = [NOW]
    mailbox = Mailbox(lambda: now[0])
    mailbox.put("m1", "a", push(60), online=False)
    now[0] += 61
    assert waiting(mailbox) == []


def test_a_topic_replaces_what_waits_for_the_same_subscription_only() -> None:
    mailbox = Mailbox(lambda: NOW)
    mailbox.put("m1", "a", push(60, "sale"), online=False)
    mailbox.put("m2", "b", push(60, "sale"), online=False)
    mailbox.put("m3", "a", push(60, "news"), online=False)
    mailbox.put("m4", "a", push(60, "sale"), online=False)
    assert waiting(mailbox) == ["m2", "m3", "m4"]
