"""No connection is lost without a trace: the descriptor limit raised, budgeted, watched; our own accept loop.

The event loops' own servers accept first and think later. At the limit uvloop closes what it cannot open,
without an exception or a log line, and what is lost that way, visitors' reports, is missed by nobody.
"""

from gateway.openfiles.accept import Acceptor, listen
from gateway.openfiles.budget import MINIMUM, Budget, derive_budget, open_files, raise_limit
from gateway.openfiles.metrics import OpenFilesCollector

__all__ = [
    "MINIMUM",
    "Acceptor",
    "Budget",
    "OpenFilesCollector",
    "derive_budget",
    "listen",
    "open_files",
    "raise_limit",
]
