"""What can go wrong in storage. Driver errors are mapped to these where the drivers are called.

StorageError                 also: a statement of ours that the database does not accept (a bug)
├── NotFound                 no such row, or the row it refers to does not exist
├── Conflict                 what is stored contradicts it: `what` names the constraint or thing
│   └── EndpointTaken        the endpoint is known with other keys
├── StorageUnavailable       nothing was stored, try later; `hint` tells the operator what to do
└── SchemaMismatch           never at run time: the process must not start on this database
    ├── SchemaTooNew         made by a newer release
    └── SchemaTooOld         migrations are waiting
"""


class StorageError(Exception):
    """Root of the tree."""


class NotFound(StorageError):
    """There is no such row (or it was deleted). `what` as in "site 12"."""

    def __init__(self, what: str) -> None:
        super().__init__(f"there is no {what}")
        self.what = what


class Conflict(StorageError):
    """A unique constraint, or a rule that looks like one, was violated. `what` names it."""

    def __init__(self, what: str) -> None:
        super().__init__(f"already there: {what}")
        self.what = what


class EndpointTaken(Conflict):
    """The endpoint is known with another p256dh or auth: whoever asks does not own that subscription."""

    def __init__(self) -> None:
        super().__init__("endpoint with other keys")


class StorageUnavailable(StorageError):
    """The database cannot be used now and nothing was stored, unless the connection broke during a commit
    (then the caller cannot know). `hint` is a sentence for the operator's log, without secrets."""

    def __init__(self, hint: str) -> None:
        super().__init__(hint)
        self.hint = hint


class SchemaMismatch(StorageError):
    """`found` is the schema version of the database, `known` the newest that this release has."""

    advice = "This database does not fit this release"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(f"{self.advice} (schema {found}, this release knows {known}).")
        self.found = found
        self.known = known


class SchemaTooNew(SchemaMismatch):
    advice = "A newer release has changed this database; start that release or restore a backup"


class SchemaTooOld(SchemaMismatch):
    advice = "The database must be migrated first: run `python -m gateway migrate`"
