"""What can be wrong with what somebody handed us. Each message is a sentence fit for the person who sent it.

WebPushError
├── InvalidEndpoint    not the URL of a push service that we talk to
├── InvalidPushHost    an entry of the operator's host list cannot be read
├── InvalidKey         p256dh, auth or an application server key does not decode
├── InvalidContact     no push service would take it as the `sub` of a VAPID token
├── InvalidTopic       not a Topic that every push service takes
├── PayloadTooLarge    does not fit into one record
└── NoCertificates     no file of certificate authorities to check push services against
"""


class WebPushError(Exception):
    """Root of this package's errors. The text never holds a secret or a whole endpoint."""


class InvalidEndpoint(WebPushError):
    """The endpoint of a subscription is refused."""


class InvalidPushHost(WebPushError):
    """An additional push host is not `host` or `host:port`."""


class InvalidKey(WebPushError):
    """A key does not decode to what the RFCs ask for."""


class InvalidContact(WebPushError):
    """The contact of a site cannot stand in a VAPID token."""


class InvalidTopic(WebPushError):
    """A Topic is not 1 to 32 base64url characters."""


class PayloadTooLarge(WebPushError):
    """A plaintext does not fit into one record of 4096 bytes; `excess` is the number of bytes over."""

    def __init__(self, size: int, limit: int) -> None:
        self.excess = size - limit
        super().__init__(f"the payload is {size} bytes, {self.excess} over the limit of {limit}")


class NoCertificates(WebPushError):
    """No bundle of certificate authorities was found on this machine."""
