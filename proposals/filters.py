"""Filters over what came in: one value that the command line, the page, tickets and tiles share. Pure.

A filter has three forms: words as typed (`from_words`), small JSON for addresses and tickets
(`to_dict`, `from_dict`) and the value itself. Equal filters are equal in every form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from math import isfinite
from typing import Any

from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_
from proposals.criteria import THEMES

KINDS = ("observation", "proposal")
STATUSES = ("submitted", "published", "hidden", "withdrawn")
AUTHOR_KINDS = ("institution", "uat", "company", "ngo", "owners_association", "professional", "citizen")
GATE_VERDICTS = ("pass", "note", "person", "fail", "not_assessed")
OPERATORS = (">=", "<=", ">", "<", "=")

LONGEST_TEXT = 200
_MOST_ENTRIES = 200

#: West, south, east, north in degrees (EPSG:4326).
Box = tuple[float, float, float, float]


@dataclass(frozen=True, order=True)
class GateCondition:
    """The gate `key` answered `verdict`. A gate that was not asked answers nothing."""

    key: str
    verdict: str


@dataclass(frozen=True, order=True)
class CriterionCondition:
    """The score (0..100) on the criterion `key` compares so with `value`. No score never does."""

    key: str
    operator: str
    value: float


@dataclass(frozen=True)
class ProposalFilter:
    """Which proposals and observations are meant; the empty filter means all.

    Within one field any of the values will do; all fields, every gate and every criterion must
    hold together. `text` asks for each of its words, whatever their accents and case, in title,
    description or receipt. `bbox` is in degrees (EPSG:4326), edges included. `since` and `until`
    are days on the zone's clock, both included. Order and repetition of values do not matter.
    """

    kind: str | None = None
    statuses: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    uats: tuple[str, ...] = ()
    author_kinds: tuple[str, ...] = ()
    receipts: tuple[str, ...] = ()
    bbox: Box | None = None
    text: str = ""
    min_score: float | None = None
    max_score: float | None = None
    gates: tuple[GateCondition, ...] = ()
    criteria: tuple[CriterionCondition, ...] = ()
    since: date | None = None
    until: date | None = None

    def __post_init__(self) -> None:
        for name in ("statuses", "themes", "uats", "author_kinds", "receipts", "gates", "criteria"):
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))
        object.__setattr__(self, "text", " ".join(unicodedata.normalize("NFC", self.text).split()))

    @property
    def words(self) -> tuple[str, ...]:
        """The words that `text` asks for, each once."""
        return tuple(dict.fromkeys(self.text.split()))

    @property
    def keys(self) -> frozenset[str]:
        """The criteria that the filter names."""
        return frozenset(condition.key for condition in (*self.gates, *self.criteria))

    def to_dict(self) -> dict[str, Any]:
        """As small JSON: only what is asked for, `{}` for the empty filter."""
        written = {_NAMES[each.name]: _as_json(getattr(self, each.name)) for each in fields(self)}
        return {name: value for name, value in written.items() if value not in (None, "", [])}


def _as_json(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, GateCondition):
        return [value.key, value.verdict]
    if isinstance(value, CriterionCondition):
        return [value.key, value.operator, _as_json(value.value)]
    if isinstance(value, (int, float)):
        return _one_form(value)
    return [_as_json(each) for each in value] if isinstance(value, tuple) else value


def _one_form(number: float) -> float:
    """60 and 60.0, or 0.0 and -0.0, are one number and must be one text."""
    return float(number) + 0.0


#: Field → its name in JSON and in messages, which is its option on the command line.
_NAMES = {
    "kind": "kind", "statuses": "status", "themes": "theme", "uats": "uat",
    "author_kinds": "author_kind", "receipts": "receipt", "bbox": "bbox", "text": "text",
    "min_score": "min_score", "max_score": "max_score", "gates": "gate", "criteria": "criterion",
    "since": "since", "until": "until",
}  # fmt: skip
_FIELDS = {name: field for field, name in _NAMES.items()}

EVERYTHING = ProposalFilter()


@dataclass(frozen=True)
class Known:
    """What a database has that a filter may name; a mistyped one would quietly match nothing.

    `gates` and `scored` are keys of criteria of any set, `scored` with those that people judge; `uats`
    is SIRUTA code → name.
    """

    gates: frozenset[str]
    scored: frozenset[str]
    uats: Mapping[str, str]


def from_dict(document: Mapping[str, Any], known: Known | None = None) -> ProposalFilter:
    """The filter that `to_dict` wrote.

    Raises
    ------
    InputError
        With everything in the document that is not a filter, or names what is not among `known`,
        each under its name.
    """
    values: dict[str, Any] = {}
    faults: list[tuple[str, MasterplanError]] = []
    readers = _READERS if known is None else _READERS | _readers_among(known)
    for name, given in document.items():
        try:
            read = readers[_one_of(readers)(name)]
            values[_FIELDS[name]] = read(given)
        except MasterplanError as fault:
            faults += _faults(name, fault)
    faults += _contradictions(values)
    if faults:
        raise InputError(faults)
    return ProposalFilter(**values)


def from_words(
    *,
    kind: str | None = None,
    status: Sequence[str] = (),
    theme: Sequence[str] = (),
    uat: Sequence[str] = (),
    author_kind: Sequence[str] = (),
    receipt: Sequence[str] = (),
    bbox: str | None = None,
    text: str | None = None,
    min_score: float | None = None,
    max_score: float | None = None,
    gate: Sequence[str] = (),
    criterion: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
    known: Known | None = None,
) -> ProposalFilter:
    """The filter that somebody typed, as on the command line.

    `bbox` is `W,S,E,N` in degrees, each of `gate` is `KEY=VERDICT`, each of `criterion`
    `KEY>=60` (or <=, >, <, =), dates are `2026-11-23`.

    Raises
    ------
    InputError
        With everything that is not understood, or not among `known`, at once, each under the
        option's name.
    """
    given = {name: value for name, value in locals().items() if name != "known"}
    document: dict[str, Any] = {name: value for name, value in given.items() if value not in (None, "")}
    document["gate"] = [_split_gate(each) for each in gate]
    document["criterion"] = [_split_criterion(each) for each in criterion]
    if bbox:
        document["bbox"] = _split_box(bbox)
    return from_dict(document, known)


# -- words → JSON: what does not come apart is left as it is, for the reader to refuse -------

_NUMBER = r"[-+]?\d+(?:[.,]\d+)?"
_CRITERION = re.compile(rf"\s*(\w+)\s*(>=|<=|>|<|=)\s*({_NUMBER})\s*")
_GATE = re.compile(r"\s*(\w+)\s*=\s*(\w+)\s*")

_NOT_A_GATE = N_("“{given}” is not a condition on a gate. Write KEY=VERDICT, for example zone=pass.")
_NOT_A_CRITERION = N_("“{given}” is not a condition on a criterion. Write for example 'land>=60'.")
_NOT_A_BOX = N_("“{given}” is not a box. Write west,south,east,north in degrees: 27.5,47.1,27.7,47.2.")


def _split_gate(typed: str) -> list[str] | str:
    found = _GATE.fullmatch(typed)
    return list(found.groups()) if found else typed


def _split_criterion(typed: str) -> list[Any] | str:
    found = _CRITERION.fullmatch(typed)
    if found is None:
        return typed
    key, operator, value = found.groups()
    return [key, operator, float(value.replace(",", "."))]


def _split_box(typed: str) -> list[Any] | str:
    """Its four parts, as numbers where they are."""
    parts = typed.split(",")
    return [_number_or_text(part.strip()) for part in parts] if len(parts) == 4 else typed


def _number_or_text(typed: str) -> float | str:
    try:
        return float(typed)
    except ValueError:
        return typed


# -- JSON → values -------------------------------------------------------------------------

_UNKNOWN = N_("“{given}” is not known here. Known are: {known}.")
_NOT_UNDERSTOOD = N_("“{given}” is not understood here.")
_TOO_MANY = N_("At most {most} values are possible here.")


def _faults(name: str, fault: MasterplanError) -> list[tuple[str, MasterplanError]]:
    """A fault under the name of its field; several of one field each on its own."""
    return [(name, each) for _, each in fault.faults] if isinstance(fault, InputError) else [(name, fault)]


def _contradictions(values: Mapping[str, Any]) -> Iterable[tuple[str, MasterplanError]]:
    for low, high, words in (
        ("min_score", "max_score", N_("The lowest score lies above the highest: nothing can match.")),
        ("since", "until", N_("The first day lies after the last: nothing can match.")),
    ):
        if values.get(low) is not None and values.get(high) is not None and values[low] > values[high]:
            yield high, MasterplanError(words)


def _one_of(known: Iterable[str]) -> Callable[[Any], str]:
    def read(given: Any) -> str:
        if not isinstance(given, str) or given not in known:
            raise MasterplanError(_UNKNOWN, given=_short(given), known=", ".join(known))
        return given

    return read


def _matching(pattern: str, sentence: str) -> Callable[[Any], str]:
    compiled = re.compile(pattern)

    def read(given: Any) -> str:
        if not isinstance(given, str) or not compiled.fullmatch(given):
            raise MasterplanError(sentence, given=_short(given))
        return given

    return read


def _many(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read_all(given: Any) -> tuple[Any, ...]:
        if not isinstance(given, (list, tuple)):
            raise MasterplanError(_NOT_UNDERSTOOD, given=_short(given))
        if len(given) > _MOST_ENTRIES:
            raise MasterplanError(_TOO_MANY, most=_MOST_ENTRIES)
        values, faults = [], []
        for each in given:
            try:
                values.append(read(each))
            except MasterplanError as fault:
                faults.append(("", fault))
        if faults:
            raise InputError(faults)
        return tuple(values)

    return read_all


def _is_number(given: Any) -> bool:
    return isinstance(given, (int, float)) and not isinstance(given, bool) and isfinite(given)


def _number(given: Any) -> float:
    if not _is_number(given):
        raise MasterplanError(N_("“{given}” is not a number."), given=_short(given))
    return _one_form(given)


def _score(given: Any) -> float:
    if not 0 <= _number(given) <= 100:
        raise MasterplanError(N_("{given} is not a score: scores run from 0 to 100."), given=given)
    return _number(given)


#: Beyond these PostgreSQL or Python run out of calendar.
_YEARS = range(1900, 3000)


def _day(given: Any) -> date:
    try:
        day = date.fromisoformat(given)
    except (TypeError, ValueError):
        day = None
    if day is None or day.year not in _YEARS:
        raise MasterplanError(N_("“{given}” is not a date. Write year-month-day: 2026-11-23."), given=_short(given))
    return day


#: PostgreSQL holds no zero bytes, UTF-8 no halves of surrogate pairs.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _text(given: Any) -> str:
    if not isinstance(given, str) or len(given) > LONGEST_TEXT or _UNSTORABLE.search(given):
        raise MasterplanError(N_("Search for at most {most} characters of text."), most=LONGEST_TEXT)
    return given


#: For each edge of a box: how far degrees go, and what is said of one that goes further, or is no number.
_EDGES = (
    (180, N_("The west edge “{given}” is not a longitude: a number of degrees from -180 to 180.")),
    (90, N_("The south edge “{given}” is not a latitude: a number of degrees from -90 to 90.")),
    (180, N_("The east edge “{given}” is not a longitude: a number of degrees from -180 to 180.")),
    (90, N_("The north edge “{given}” is not a latitude: a number of degrees from -90 to 90.")),
)


def _box(given: Any) -> Box:
    if not isinstance(given, (list, tuple)) or len(given) != 4:
        raise MasterplanError(_NOT_A_BOX, given=_short(given))
    faults = [("", fault) for fault in _faults_of_box(given)]
    if faults:
        raise InputError(faults)
    return tuple(_number(each) for each in given)


def _faults_of_box(given: Sequence[Any]) -> Iterable[MasterplanError]:
    sound = []
    for value, (furthest, sentence) in zip(given, _EDGES, strict=True):
        sound.append(_is_number(value) and abs(value) <= furthest)
        if not sound[-1]:
            yield MasterplanError(sentence, given=_short(value))
    west, south, east, north = given
    if sound[0] and sound[2] and west >= east:
        yield MasterplanError(
            N_("The west edge ({west}) does not lie west of the east edge ({east}). The order is"
               " west,south,east,north."), west=_short(west), east=_short(east),
        )  # fmt: skip
    if sound[1] and sound[3] and south >= north:
        yield MasterplanError(
            N_("The south edge ({south}) does not lie south of the north edge ({north}). The order is"
               " west,south,east,north."), south=_short(south), north=_short(north),
        )  # fmt: skip


_siruta = _matching(r"[0-9]{1,6}", N_("“{given}” is not a SIRUTA code: it has up to 6 digits."))
_KEY = _matching(r"[a-z][a-z0-9_]{0,62}", N_("“{given}” cannot be the key of a criterion."))


def _gate(given: Any) -> GateCondition:
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        raise MasterplanError(_NOT_A_GATE, given=_short(given))
    return GateCondition(_KEY(given[0]), _one_of(GATE_VERDICTS)(given[1]))


def _criterion(given: Any) -> CriterionCondition:
    if not isinstance(given, (list, tuple)) or len(given) != 3:
        raise MasterplanError(_NOT_A_CRITERION, given=_short(given))
    return CriterionCondition(_KEY(given[0]), _one_of(OPERATORS)(given[1]), _number(given[2]))


_READERS: dict[str, Callable[[Any], Any]] = {
    "kind": _one_of(KINDS),
    "status": _many(_one_of(STATUSES)),
    "theme": _many(_one_of(THEMES)),
    "uat": _many(_siruta),
    "author_kind": _many(_one_of(AUTHOR_KINDS)),
    "receipt": _many(_matching(r"[A-Za-z0-9-]{1,40}", N_("“{given}” cannot be a receipt code."))),
    "bbox": _box,
    "text": _text,
    "min_score": _score,
    "max_score": _score,
    "gate": _many(_gate),
    "criterion": _many(_criterion),
    "since": _day,
    "until": _day,
}


# -- what the database has -----------------------------------------------------------------

_IS_A_GATE = N_(
    "“{key}” is a gate: it answers and has no score. Ask for an answer, as in {key}=pass, under gate;"
    " criteria with a score are: {known}."
)
_HAS_A_SCORE = N_(
    "“{key}” is no gate: it has a score. Ask for it, as in '{key}>=60', under criterion; gates are: {known}."
)
_NO_SUCH_GATE = N_("No criteria set has the gate “{key}”. Gates are: {known}.")
_NO_SUCH_SCORE = N_("No criteria set has the criterion “{key}”. Criteria with a score are: {known}.")
_NO_SUCH_UAT = N_("No UAT on the map has the SIRUTA code {given}. There are: {known}.")


def _readers_among(known: Known) -> dict[str, Callable[[Any], Any]]:
    """Readers that also refuse what the database does not have."""
    gates, scored = ", ".join(sorted(known.gates)), ", ".join(sorted(known.scored))
    uats = ", ".join(f"{siruta} {name}" for siruta, name in sorted(known.uats.items(), key=lambda each: each[1]))

    def gate(given: Any) -> GateCondition:
        condition = _gate(given)
        if condition.key not in known.gates:
            sentence = _HAS_A_SCORE if condition.key in known.scored else _NO_SUCH_GATE
            raise MasterplanError(sentence, key=condition.key, known=gates)
        return condition

    def criterion(given: Any) -> CriterionCondition:
        condition = _criterion(given)
        if condition.key not in known.scored:
            sentence = _IS_A_GATE if condition.key in known.gates else _NO_SUCH_SCORE
            raise MasterplanError(sentence, key=condition.key, known=scored)
        return condition

    def uat(given: Any) -> str:
        siruta = _siruta(given)
        if siruta not in known.uats:
            raise MasterplanError(_NO_SUCH_UAT, given=siruta, known=uats)
        return siruta

    return {"gate": _many(gate), "criterion": _many(criterion), "uat": _many(uat)}


def _short(given: Any) -> str:
    """As people write it: a list with commas, a whole number without its point."""
    if isinstance(given, (list, tuple)):
        given = ",".join(map(_short, given))
    return (f"{given:.15g}" if isinstance(given, float) else str(given))[:60]
