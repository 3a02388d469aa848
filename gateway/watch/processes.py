"""What processes say of themselves: descriptors, clocks, certificates, refused reports, senders. Pure.

Counts grow as long as a process lives, so what matters is what came since the look before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.watch import sentences
from gateway.watch.looks import Key, Reading, Severity
from gateway.watch.names import BEACONS_MISSING, CERTIFICATE, CLOCK, OPEN_FILES, SENDERS
from gateway.watch.vitals import Facts

USED = 0.9  # of the limit of open files, or of the places for connections
AHEAD = 30.0  # seconds that a clock may be off: Date has whole ones, and answers are on their way for some
HANDSHAKES = 2  # that failed between two looks
REFUSED = 0.05  # of browsers' reports
FEWEST_REFUSED = 50
DEATHS = 2  # of senders between two looks
SENDER = "send"


class Process(NamedTuple):
    owner: str
    role: str
    host: str
    pid: int
    facts: Facts

    @property
    def name(self) -> str:
        return f"process {self.pid} ({self.role}) on {self.host}"


@dataclass(slots=True)
class Processes:
    _before: dict[str, Facts] = field(default_factory=dict)

    def look(self, found: Sequence[Process], now: int, *, sending: bool) -> Sequence[Reading]:
        """`sending`: whether anything is to be sent. What is read for the first time has not grown yet."""
        before, self._before = self._before, {each.owner: each.facts for each in found}
        grown = {each.owner: _Grown.of(each.facts, before.get(each.owner)) for each in found}
        readings = [
            _clock(found, now),
            _certificate(found, grown, now),
            _refused_reports(grown, now),
            _senders(found, grown, now, sending=sending),
        ]
        if found:
            readings.append(_open_files(found, grown, now))
        return readings


class _Grown(NamedTuple):
    refused: int = 0
    accept_failures: int = 0
    certificate_errors: int = 0
    events: int = 0
    events_refused: int = 0
    deaths: int = 0

    @classmethod
    def of(cls, now: Facts, before: Facts | None) -> "_Grown":
        if before is None:
            return cls()
        return cls(*(max(0, getattr(now, name) - getattr(before, name)) for name in cls._fields))


Growths = Mapping[str, _Grown]


def _open_files(found: Sequence[Process], grown: Growths, now: int) -> Reading:
    """The process that is nearest to its limit; above it once anybody was turned away."""

    def strain(each: Process) -> float:
        facts, more = each.facts, grown[each.owner]
        inbound = facts.inbound_used / facts.inbound if facts.inbound else 0.0
        used = facts.used / facts.limit if facts.limit else 0.0
        return max(used, inbound) if not (more.refused or more.accept_failures) else 1.0 + max(used, inbound)

    worst = max(found, key=strain)
    facts, more = worst.facts, grown[worst.owner]
    what = f"{facts.used} of {facts.limit} open files and {facts.inbound_used} of {facts.inbound} connections"
    turned_away = more.refused + more.accept_failures
    if turned_away:
        summary = (
            f"Open files ran out: {worst.name} turned away {turned_away} connections, with {what} in use."
        )
    else:
        summary = f"Open files run short: {worst.name} has {what} in use."
    return Reading(
        Key(OPEN_FILES),
        Severity.CRITICAL if turned_away else Severity.WARNING,
        strain(worst),
        None,
        USED,
        now,
        summary=summary,
        look_at=sentences.LOOK_AT[OPEN_FILES],
        looks=1 if turned_away else 3,
        back=8,
    )


def _clock(found: Sequence[Process], now: int) -> Reading:
    """Seconds ahead of the database or a push service, of the process for which they are the most."""
    offsets = [
        (ahead / 1_000, each.name, of)
        for each in found
        for ahead, of in (
            (each.facts.database_clock, "the database"),
            (each.facts.push_clock, each.facts.push_clock_of or "a push service"),
        )
        if ahead is not None
    ]
    seconds, name, of = max(offsets, key=lambda offset: abs(offset[0]), default=(0.0, "", ""))
    word = "ahead of" if seconds > 0 else "behind"
    return Reading(
        Key(CLOCK),
        Severity.CRITICAL,
        seconds,
        -AHEAD,
        AHEAD,
        now,
        summary=f"The clock of {name} is {abs(seconds):.0f} s {word} that of {of}.",
        look_at=sentences.LOOK_AT[CLOCK],
        looks=3,
        back=3,
    )


def _certificate(found: Sequence[Process], grown: Growths, now: int) -> Reading:
    errors = sum(each.certificate_errors for each in grown.values())
    last = max(found, key=lambda each: grown[each.owner].certificate_errors, default=None)
    said = "" if last is None else last.facts.certificate_error
    return Reading(
        Key(CERTIFICATE),
        Severity.CRITICAL,
        errors,
        None,
        HANDSHAKES,
        now,
        summary=f"{errors} connections to push services failed over certificates since the look before: "
        f"{said or 'no reason given'}.",
        look_at=sentences.LOOK_AT[CERTIFICATE],
        looks=2,
        back=8,
    )


def _refused_reports(grown: Growths, now: int) -> Reading:
    """Reports that browsers were asked to bring again."""
    refused = sum(each.events_refused for each in grown.values())
    all_of_them = refused + sum(each.events for each in grown.values())
    share = refused / all_of_them if refused >= FEWEST_REFUSED else 0.0
    return Reading(
        Key(BEACONS_MISSING, provider=""),
        Severity.CRITICAL,
        share,
        None,
        REFUSED,
        now,
        summary=f"{sentences.percent(share)} of the browsers' reports were turned away since the look "
        f"before, {refused}: they are stored more slowly than they come.",
        look_at=sentences.LOOK_AT[BEACONS_MISSING],
        looks=2,
        back=8,
    )


def _senders(found: Sequence[Process], grown: Growths, now: int, *, sending: bool) -> Reading:
    """How many are missing: one, when there is none and something is to be sent; or those that died."""
    living = sum(1 for each in found if each.role == SENDER)
    deaths = sum(each.deaths for each in grown.values())
    none = sending and living == 0
    return Reading(
        Key(SENDERS),
        Severity.CRITICAL if none else Severity.WARNING,
        max(int(none), deaths - DEATHS + 1 if deaths >= DEATHS else 0),
        None,
        0,
        now,
        summary="Messages wait to be sent, and no sender process is alive."
        if none
        else f"Sender processes keep dying: {deaths} since the look before, {living} are alive.",
        look_at=sentences.LOOK_AT[SENDERS],
        looks=3 if none else 1,
        back=8,
    )
