"""What a transport notices by the way: certificates that are refused, and what time push services have."""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import pycurl

from gateway.webpush.transport import Reply

CERTIFICATE: Final = frozenset(
    {
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_SSL_CRL_BADFILE,
        pycurl.E_SSL_INVALIDCERTSTATUS,
    }
)


@dataclass(slots=True)
class Observed:
    """Since the start. A Date is looked at when somebody asks for one: each costs a little."""

    certificate_errors: int = 0
    certificate_error: str = ""  # what libcurl said of the last, without a path
    wants_date: bool = True
    ahead_ms: int | None = None  # this clock before that of the push service that was looked at last
    ahead_of: str = ""  # its host

    def failed(self, code: int, message: str) -> None:
        """libcurl's code of a transfer without an answer."""
        if code in CERTIFICATE:
            self.certificate_errors += 1
            self.certificate_error = message[:200]

    def answered(self, host: str, reply: Reply, now: float) -> None:
        """One answer, read at `now`, seconds since the epoch. Date has whole ones: half of one is added."""
        self.wants_date = False
        try:
            theirs = parsedate_to_datetime(reply.header("Date") or "").timestamp()
        except (ValueError, OverflowError):
            return
        self.ahead_ms, self.ahead_of = round(1_000 * (now - theirs)) - 500, host
