"""The audit: what was done, by whom and when, and whether anything of it was changed since.

The database writes the events and chains them (`migrations/versions/0009_audit.py`); here they are read, and the
chain is computed again, in Python and from nothing but what is stored. `docs/decisions.md` says what a chain proves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_

#: What the first event follows.
BEGINNING = sha256(b"masterplan").digest()
_ROWS_AT_ONCE = 2_000

CHANGED = N_("Event {number} is not what was written: {kind}, {at}.")
MISSING = N_("Event {number} is missing; the next one there is {found}.")
NOT_FOLLOWING = N_("Event {number} does not follow the one before it: {kind}, {at}.")
OUTSIDE = N_("An event stands outside the chain: {kind}, {at}.")
HEAD_GONE = N_("The history ends at event {number}; event {remembered}, written down before, is not there.")
HEAD_DIFFERS = N_("Event {number} is not the one written down before: the history was written anew up to it.")
NO_HEAD = N_("“{given}” is no head of the history: write NUMBER:HASH, as masterplan audit verify says it.")


@dataclass(frozen=True)
class Head:
    """The last event of a history: its number and its hash (hexadecimal), to be written down elsewhere."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


@dataclass(frozen=True)
class Verified:
    """What a look at the whole chain found: its head, and the first thing that is wrong, or None."""

    head: Head
    fault: MasterplanError | None


@dataclass(frozen=True)
class Event:
    """One event; `who` is the number of an account, "" for nobody signed in, None where the reader may not know."""

    number: int | None
    at: datetime
    kind: str
    role: str
    who: str | None
    subject_kind: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def head_of(written: str) -> Head:
    """The head that `masterplan audit verify` said, as it was written down.

    Raises
    ------
    InputError
        When it is none.
    """
    if not re.fullmatch(r"[0-9]{1,18}:[0-9a-f]{64}", written):
        raise InputError([("head", MasterplanError(NO_HEAD, given=written[:80]))])
    number, _, digest = written.partition(":")
    return Head(int(number), digest)


_CHAIN = text("""
    SELECT number, at, (extract(epoch FROM at) * 1000000)::bigint::text AS micros, kind, role, who, subject_kind,
        subject, before::text AS before, after::text AS after, previous, hash
    FROM masterplan.event ORDER BY number NULLS LAST, id
""").execution_options(yield_per=_ROWS_AT_ONCE)


def verify(connection: Connection, remembered: Head | None = None) -> Verified:
    """Compute the chain again, event by event, up to the first that is wrong; bounded memory.

    Without `remembered` a history cut off at its end, or written anew as a whole, looks whole.
    """
    number, digest = 0, BEGINNING
    for row in connection.execute(_CHAIN):
        fault = _fault(row, number, digest)
        if fault is None and remembered and row.number == remembered.number and row.hash.hex() != remembered.digest:
            fault = MasterplanError(HEAD_DIFFERS, number=row.number)
        if fault is not None:
            return Verified(Head(number, digest.hex()), fault)
        number, digest = row.number, row.hash
    if remembered and remembered.number > number:
        gone = MasterplanError(HEAD_GONE, number=number, remembered=remembered.number)
        return Verified(Head(number, digest.hex()), gone)
    return Verified(Head(number, digest.hex()), None)


def _fault(row: Any, number: int, digest: bytes) -> MasterplanError | None:
    facts = {"number": row.number, "kind": row.kind, "at": row.at.isoformat(timespec="seconds")}
    if row.number is None:
        return MasterplanError(OUTSIDE, **facts)
    if row.number != number + 1:
        return MasterplanError(MISSING, number=number + 1, found=row.number)
    if row.previous != digest:
        return MasterplanError(NOT_FOLLOWING, **facts)
    if row.hash != _hash(digest, row):
        return MasterplanError(CHANGED, **facts)
    return None


def _hash(previous: bytes, row: Any) -> bytes:
    written = (str(row.number), row.micros, row.kind, row.role, row.who, row.subject_kind, row.subject, row.before,
               row.after)  # fmt: skip
    return sha256(previous + b"".join(map(_part, written))).digest()


def _part(written: str | None) -> bytes:
    if written is None:
        return b"-"
    as_bytes = written.encode()
    return b"%d:%s" % (len(as_bytes), as_bytes)


_OF_ONE = text("""
    SELECT number, at, kind, role, NULL AS who, subject_kind, subject, before, after FROM masterplan.event
    WHERE subject_kind = :kind AND subject = :subject ORDER BY id
""")
_NEWEST = text("""
    SELECT number, at, kind, role, who, subject_kind, subject, before, after FROM masterplan.event
    ORDER BY id DESC LIMIT :most
""")


def history(connection: Connection, subject_kind: str, subject: str) -> list[Event]:
    """What happened to one thing, the oldest first: as much of it as the actor may know, and never by whom."""
    rows = connection.execute(_OF_ONE, {"kind": subject_kind, "subject": subject})
    return [Event(**row._mapping) for row in rows]


def newest(connection: Connection, most: int) -> Iterator[Event]:
    """The newest events with who did them, for staff and the command line."""
    for row in connection.execute(_NEWEST, {"most": most}):
        yield Event(**row._mapping)
