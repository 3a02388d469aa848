"""Errors that a caller of the gateway may see. The class carries the decision: status and code.

    GatewayError
    ├── CannotStart              never reaches HTTP: the process says what to fix and exits 1
    ├── InvalidRequest           400  with one FieldError for each thing that is wrong
    ├── Unauthenticated          401
    ├── Forbidden                403
    │   ├── OriginNotAllowed     403
    │   ├── CsrfRefused          403
    │   └── QuotaExceeded        403
    ├── NotFound                 404
    ├── MethodNotAllowed         405
    ├── RequestTimeout           408  the body did not come in time; the connection is closed
    ├── Conflict                 409
    │   ├── WrongState           409
    │   ├── KnownWithOtherKeys   409
    │   └── IdempotencyKeyReused 409
    ├── RowsRemoved              410
    ├── TooLarge                 413
    │   └── PayloadTooLarge      413  with the number of bytes over
    ├── UnsupportedMediaType     415
    ├── TooManyRequests          429  with Retry-After
    │   └── TooManyStreams       429
    ├── Internal                 500
    │   └── SealedValueUnreadable 500
    └── Unavailable              503  with Retry-After
        ├── TooManyConnections   503
        └── NoStreamToSpare      503

The caller reads `code` and `sentence`; the operator's log also reads `__cause__`, so raise from it.
A sentence therefore never holds a secret, an endpoint or a traceback. docs/errors.md documents every code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with a request: `path` as in `notification.actions[2].url`, `message` a sentence."""

    path: str
    message: str


class GatewayError(Exception):
    """Root of the tree. `code` is stable for ever, `sentence` may be reworded."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "The gateway failed"

    def __init__(self, sentence: str = "") -> None:
        self.sentence = sentence or f"{self.title}."
        super().__init__(self.sentence)


class CannotStart(GatewayError):
    """What an operator must fix before the process can run; every problem found, each a sentence."""

    code = "cannot_start"
    title = "The gateway cannot start"

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class InvalidRequest(GatewayError):
    """The request is wrong and will be wrong again; `errors` says where."""

    status = 400
    code = "invalid_request"
    title = "The request is not valid"

    def __init__(self, sentence: str = "", errors: Sequence[FieldError] = ()) -> None:
        self.errors = tuple(errors)
        super().__init__(sentence)


class Unauthenticated(GatewayError):
    """No token, or one that is unknown, expired or revoked."""

    status = 401
    code = "unauthenticated"
    title = "A valid token is needed"


class Forbidden(GatewayError):
    """The token is known, but its scopes or sites do not cover this."""

    status = 403
    code = "forbidden"
    title = "The token does not allow this"


class OriginNotAllowed(Forbidden):
    """A page that is not one of the site's origins called a public route."""

    code = "origin_not_allowed"
    title = "This origin is not one of the site's origins"


class CsrfRefused(Forbidden):
    """A change with the dashboard's cookie that its own pages did not make."""

    code = "csrf"
    title = "The change was not made by the dashboard's own page"


class QuotaExceeded(Forbidden):
    """The site has as much as whoever runs the gateway lets it have; nothing was stored."""

    code = "quota_exceeded"
    title = "The site's quota is used up"


class NotFound(GatewayError):
    """No such thing, or none that this caller may know of."""

    status = 404
    code = "not_found"
    title = "There is no such resource"


class MethodNotAllowed(GatewayError):
    status = 405
    code = "method_not_allowed"
    title = "The resource does not know this method"


class RequestTimeout(GatewayError):
    """The body, or the next piece of a stream, was too long in coming."""

    status = 408
    code = "request_timeout"
    title = "The request took too long to arrive"


class Conflict(GatewayError):
    """The request is fine but what is stored contradicts it."""

    status = 409
    code = "conflict"
    title = "The request contradicts what is stored"


class WrongState(Conflict):
    code = "wrong_state"
    title = "The resource's state forbids this"


class KnownWithOtherKeys(Conflict):
    """A stranger who knows an endpoint but not its keys must not take the subscription over."""

    code = "known_with_other_keys"
    title = "The endpoint is known with other keys"


class IdempotencyKeyReused(Conflict):
    code = "idempotency_key_reused"
    title = "The idempotency key was used with another body"


class RowsRemoved(GatewayError):
    """It was stored, and has been removed after the time that the operator set."""

    status = 410
    code = "rows_removed"
    title = "What became of each recipient has been removed"


class TooLarge(GatewayError):
    """The body exceeds the route's limit."""

    status = 413
    code = "too_large"
    title = "The body is too large"


class PayloadTooLarge(TooLarge):
    """The message would not fit into one encrypted push; `bytes_over` says by how much."""

    code = "payload_too_large"
    title = "The notification is too large for a push"

    def __init__(self, bytes_over: int, sentence: str = "") -> None:
        self.bytes_over = bytes_over
        super().__init__(sentence)


class UnsupportedMediaType(GatewayError):
    status = 415
    code = "unsupported_media_type"
    title = "The route does not take this content type"


class TooManyRequests(GatewayError):
    """Come back after `retry_after` seconds."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, sentence: str = "", *, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(sentence)


class TooManyStreams(TooManyRequests):
    """The site is watched live by as many connections as it may be."""

    code = "too_many_streams"
    title = "The site has as many live streams as it may have"

    def __init__(self, sentence: str = "", *, retry_after: int = 30) -> None:
        super().__init__(sentence, retry_after=retry_after)


class Internal(GatewayError):
    """A fault of ours; the log knows more."""


class SealedValueUnreadable(Internal):
    """A stored secret was sealed by another master key, or changed since."""

    code = "sealed_value_unreadable"
    title = "A stored secret cannot be opened with this master key"


class Unavailable(GatewayError):
    """Nothing was stored; the same request may succeed after `retry_after` seconds."""

    status = 503
    code = "unavailable"
    title = "The gateway cannot do this right now"

    def __init__(self, sentence: str = "", *, retry_after: int = 5) -> None:
        self.retry_after = retry_after
        super().__init__(sentence)


class TooManyConnections(Unavailable):
    """Answered by the accept loop before a request is read."""

    code = "too_many_connections"
    title = "The gateway has no connection to spare"


class NoStreamToSpare(Unavailable):
    """This process streams to as many connections as it may: the others are for requests."""

    code = "no_stream_to_spare"
    title = "The gateway has no live stream to spare"

    def __init__(self, sentence: str = "", *, retry_after: int = 30) -> None:
        super().__init__(sentence, retry_after=retry_after)
