"""What we read from the inside of aiohttp's RequestHandler, because it tells no one from outside.

Nothing else in the gateway touches a private name of aiohttp. test_openfiles_aiohttp_state.py looks at a live
handler in every state, so that a release which changes them fails there.
"""

from aiohttp.web import RequestHandler


def heads_parsed(handler: RequestHandler) -> int:
    """How many request heads have come in on this connection, whether they made sense or not."""
    return handler._request_count


def waits_for_a_request(handler: RequestHandler) -> bool:
    """True between requests: the last answer is written and no further head is complete."""
    waiter = handler._waiter
    return waiter is not None and not waiter.done()
