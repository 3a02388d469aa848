"""What a Locust run comes to: a table, and what is wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct


class Row(Struct, frozen=True):
    """One kind of request; times in milliseconds."""

    name: str
    requests: int
    failures: int
    per_second: float
    p50: float
    p95: float
    p99: float


class Exactness(Struct, frozen=True):
    """The gateway's counters against what the fake push service and the visitors counted themselves."""

    messages: int
    unfinished: int
    audience: int
    accepted: int
    taken: int  # answered 201 by the fake push service
    reported: int  # displays that were answered 204
    tried: int  # displays that were sent, answered or not
    displayed: int
    repeated: int  # pushes of one message that a visitor decrypted twice
    sums_wrong: int  # looks at a message whose seven counters did not add up


class Summary(Struct, frozen=True):
    rows: Sequence[Row]
    errors: Mapping[str, int]
    exactness: Exactness

    def problems(self, *, healthy: bool) -> list[str]:
        """Sentences; none is a pass. In trouble (`healthy` False) messages may be left unfinished."""
        found = [f"{count} x {error}" for error, count in self.errors.items()]
        exact = self.exactness
        if not self.rows or not exact.messages:
            found.append("nothing was asked of the gateway")
        if exact.sums_wrong:
            found.append(f"{exact.sums_wrong} answers whose counters do not add up to the audience")
        if exact.repeated:
            found.append(f"{exact.repeated} pushes came twice")
        if not exact.reported <= exact.displayed <= exact.tried:
            found.append(f"displays: {exact.reported} answered 204, {exact.displayed} counted")
        if healthy and exact.unfinished:
            found.append(f"{exact.unfinished} of {exact.messages} messages did not end")
        if healthy and not exact.unfinished and exact.accepted != exact.taken:
            found.append(f"{exact.accepted} counted as accepted, but {exact.taken} were taken")
        return found

    def table(self) -> str:
        """In Markdown."""
        exact = self.exactness
        return "\n".join(
            [
                "| request | count | failed | a second | p50 ms | p95 ms | p99 ms |",
                "|---|---:|---:|---:|---:|---:|---:|",
                *(_line(row) for row in self.rows),
                "",
                f"{exact.messages} messages to {exact.audience:,} recipients: {exact.accepted:,} accepted, "
                f"{exact.taken:,} taken by the push service, {exact.repeated} repeated, "
                f"{exact.unfinished} messages unfinished, {exact.sums_wrong} sums wrong. "
                f"Displays: {exact.reported:,} answered 204, {exact.displayed:,} counted.",
            ]
        )


def _line(row: Row) -> str:
    times = " | ".join(f"{time:.0f}" for time in (row.p50, row.p95, row.p99))
    return f"| {row.name} | {row.requests:,} | {row.failures} | {row.per_second:.1f} | {times} |"


def faults(complaints: Mapping[str, int], *, healthy: bool) -> list[str]:
    """What of the gateway's log fails a run: errors, and in trouble at least the death of a process."""
    wanted = "error" if healthy else "error sender.died"
    return [f"the log says {count} x {text}" for text, count in complaints.items() if text.startswith(wanted)]


def sum_is_right(progress: Mapping[str, Any]) -> bool:
    """Whether the seven counters add up to the audience; true before it is known."""
    if progress["audience"] is None:
        return True
    seven = ("accepted", "gone", "failed", "expired", "skipped", "retrying", "remaining")
    return bool(progress["audience"] == sum(progress[name] for name in seven))
