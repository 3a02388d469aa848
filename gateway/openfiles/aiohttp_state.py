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


def is_stopping(handler: RequestHandler) -> bool:
    """True when it reads no further requests."""
    return handler._force_close or handler._close


def begin_answer(handler: RequestHandler) -> None:
    """Somebody else answers a request of its connection: a shutdown waits for that as for its own."""
    handler._request_in_progress = True
    handler._next_keepalive_close_time = handler._loop.time() + handler.keepalive_timeout


def end_answer(handler: RequestHandler) -> None:
    """The answer that `begin_answer` announced is written, or handed back."""
    handler._request_in_progress = False
    if handler._handler_waiter is not None and not handler._handler_waiter.done():
        handler._handler_waiter.set_result(None)
