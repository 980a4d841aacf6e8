"""Reading proposals that came in a file: columns mapped to fields, every row checked, nothing stored.

Pure: no database. What comes out is handed to `submitting.submit_many`.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import shapely
from pyproj import Transformer
from shapely import Geometry

from layers.reading import (
    DEFAULT_LIMITS,
    REFUSED,
    REPAIRED,
    WARNED,
    Issue,
    Limits,
    ReadFeature,
    read_features,
)
from masterplan.actors import SYSTEM
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_
from masterplan.place import WGS84_SRID, place
from proposals.criteria import THEMES
from proposals.submission import (
    AUTHOR_KINDS,
    CHANNELS,
    DOCUMENTATION_STAGES,
    KINDS,
    LONGEST_ATTRIBUTE,
    LONGEST_DESCRIPTION,
    LONGEST_TITLE,
    MOST_ATTRIBUTES,
    Submission,
    check,
)

__all__ = ["FIELDS", "ImportRow", "parse_mapping", "read_proposals"]

#: Fields that take one of a list of words; a file's own words are mapped as in `theme:Zieleń=green_blue`.
CHOICES: dict[str, tuple[str, ...]] = {
    "theme": THEMES,
    "kind": KINDS,
    "channel": CHANNELS,
    "author_kind": AUTHOR_KINDS,
    "documentation_stage": DOCUMENTATION_STAGES,
}
#: What a column can be mapped to. A column named like a field needs no mapping.
FIELDS = (
    "title", "description", "theme", "kind", "channel", "source_event", "author_kind", "email",
    "on_behalf_of", "budget_lei", "documentation_stage", "created",
)  # fmt: skip
#: Columns of a CSV that are part of the reading and not of the proposal.
COORDINATE_FIELDS = ("lon", "lat", "id")

#: Of the keys that make a second import of the same file find the first one's rows.
_KEYS = UUID("5f0c8b0e-5b0f-5d5e-9a66-3d1f6a3c0a51")
_LOCAL_TIME = ZoneInfo("Europe/Bucharest")
_CURRENCY = re.compile(r"\s*(lei|ron)\s*\.?$", re.IGNORECASE)
_SPACES = str.maketrans("", "", " \u00a0\u202f\u2009")
_EMAIL_INSIDE = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]{2,}")
_ROMANIAN_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")

UNKNOWN_FIELD = N_("“{name}” is no field of a proposal. Map columns to: {known}.")
UNREADABLE_MAPPING = N_("“{text}” is no mapping. Write field=column, or field:word=value.")
UNKNOWN_TARGET = N_("“{word}” is no {field}. Use one of: {known}.")
UNKNOWN_WORD = N_("“{word}” is no {field}. Map it, as in {field}:{word}={example}; known are: {known}.")
COLUMN_MISSING = N_("The file has no column “{column}”, which {field} is mapped to.")
BUDGET_UNREADABLE = N_("The budget “{text}” is not a number. Write 1234567,50 without dots or spaces.")
BUDGET_AMBIGUOUS = N_("The budget “{text}” can mean thousands or decimals. Write it without separators.")
BUDGET_READ_AS = N_("The budget “{text}” was read as {lei} lei.")
CREATED_UNREADABLE = N_("The date “{text}” is not one. Write it as 2026-11-30 or 30.11.2026.")
CREATED_IN_FUTURE = N_("The date “{text}” lies in the future.")
TITLE_SHORTENED = N_(
    "The title of {length} characters was shortened; the whole of it opens the description."
)
ATTRIBUTE_TOO_LONG = N_("A text of {length} characters was left out; as an attribute at most {longest} fit.")
ATTRIBUTE_PERSONAL = N_("What looks like an e-mail address was left out, as it would be public.")
TOO_MANY_ATTRIBUTES = N_("At most {most} attributes are kept; the column was left out.")


@dataclass(frozen=True)
class ImportRow:
    """One row that may be stored.

    `row` counts the file's rows from 1; `geometry` is in EPSG:4326, longitude first; `submission`
    holds the cleaned fields, its key always the same for the same row of the same file. `created_at`
    is the moment the file states, with its zone, or None.
    """

    row: int
    feature_id: str | None
    geometry: Geometry
    submission: Submission
    created_at: datetime | None


class _RowFault(Exception):
    """One thing wrong with one field of a row."""

    def __init__(self, msgid: str, **facts: object) -> None:
        super().__init__(msgid)
        self.msgid = msgid
        self.facts = facts


def parse_mapping(text: str) -> dict[str, str]:
    """A mapping as it is typed: `title=Titlu,theme=Categorie,theme:Zieleń=green_blue`.

    An item with a comma is put in double quotes. MasterplanError when an item is not a mapping.
    """
    mapping: dict[str, str] = {}
    for item in next(csv.reader([text], skipinitialspace=True), []):
        if not item.strip():
            continue
        name = item.partition("=")[0]
        key, equals, value = item.rpartition("=") if ":" in name else item.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise MasterplanError(UNREADABLE_MAPPING, text=item)
        mapping[key.strip()] = value.strip()
    _check_mapping(mapping)
    return mapping


def _check_mapping(mapping: Mapping[str, str]) -> None:
    for key, value in mapping.items():
        field, colon, _ = key.partition(":")
        if colon and field in CHOICES:
            if value not in CHOICES[field]:
                known = ", ".join(CHOICES[field])
                raise MasterplanError(UNKNOWN_TARGET, word=value, field=field, known=known)
        elif colon or field not in (*FIELDS, *COORDINATE_FIELDS):
            raise MasterplanError(UNKNOWN_FIELD, name=key, known=", ".join((*FIELDS, *COORDINATE_FIELDS)))


def read_proposals(
    path: Path | str,
    mapping: Mapping[str, str],
    defaults: Mapping[str, Any],
    *,
    offset_m: tuple[float, float] | None = None,
    crs: str | None = None,
    layer: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[list[ImportRow], list[Issue]]:
    """The rows of a GeoJSON, CSV (lon, lat) or GeoPackage file that may be stored, and every issue.

    `mapping`: field → column, and "field:word" → the word known here (see `parse_mapping`).
    `defaults`: field → value where the file has none. Other columns become attributes.
    `offset_m`: metres east and north, in the storage CRS, by which every place is moved.
    `crs` ("EPSG:3844") and `layer` as in `read_features`.

    Raises
    ------
    MasterplanError
        When the mapping or the defaults name a field that does not exist.
    OSError
        When the file cannot be opened.
    """
    _check_mapping(mapping)
    unknown = set(defaults) - set(FIELDS)
    if unknown:
        raise MasterplanError(UNKNOWN_FIELD, name=min(unknown), known=", ".join(FIELDS))
    read = read_features(
        path, limits=limits, crs=crs, layer=layer, id_field=mapping.get("id"),
        longitude=mapping.get("lon"), latitude=mapping.get("lat"),
    )  # fmt: skip
    issues = list(read.issues)
    missing = _missing_columns(read.features, mapping)
    if missing:
        return [], [*issues, *missing]
    importer = _Importer(mapping, defaults, read.sha256, _mover(offset_m), issues)
    rows = [row for feature in read.features if (row := importer.row(feature)) is not None]
    issues.sort(key=lambda issue: (issue.row is None, issue.row or 0))
    return rows, issues


def _missing_columns(features: list[ReadFeature], mapping: Mapping[str, str]) -> list[Issue]:
    """A mapped column that no row has is a mistake in the mapping, not in the rows."""
    if not features:
        return []
    present = {name for feature in features for name in feature.properties}
    return [
        _issue(None, None, field, REFUSED, COLUMN_MISSING, {"column": column, "field": field})
        for field, column in mapping.items()
        if field in FIELDS and column not in present
    ]


def _mover(offset_m: tuple[float, float] | None) -> Callable[[Geometry], Geometry]:
    """Moves a geometry (EPSG:4326) by metres east and north of the storage CRS."""
    if offset_m is None:
        return lambda geometry: geometry
    east, north = offset_m
    there = Transformer.from_crs(WGS84_SRID, place().storage_srid, always_xy=True)

    def moved(x: Any, y: Any) -> tuple[Any, Any]:
        x_m, y_m = there.transform(x, y)
        return there.transform(x_m + east, y_m + north, direction="INVERSE")

    return lambda geometry: shapely.transform(geometry, moved, interleaved=False)


class _Importer:
    """Makes rows of features, noting what is wrong with each."""

    def __init__(
        self,
        mapping: Mapping[str, str],
        defaults: Mapping[str, Any],
        sha256: str,
        moved: Callable[[Geometry], Geometry],
        issues: list[Issue],
    ) -> None:
        self._columns = {field: mapping.get(field, field) for field in FIELDS}
        self._words = {key: value for key, value in mapping.items() if ":" in key}
        self._defaults, self._sha256, self._moved, self._issues = defaults, sha256, moved, issues

    def row(self, feature: ReadFeature) -> ImportRow | None:
        """The row of a feature; None, and issues, when something about it is refused."""
        faults: list[tuple[str, MasterplanError]] = []
        values: dict[str, Any] = {field: self._given(feature, field) for field in FIELDS}
        for field in CHOICES:
            self._read(feature, values, field, self._choice, faults)
        self._read(feature, values, "budget_lei", self._budget, faults)
        self._read(feature, values, "created", self._created, faults)
        self._shorten_title(feature, values)
        created_at = values.pop("created")
        geometry = self._moved(feature.geometry)
        submission = Submission(
            submission_key=uuid5(_KEYS, f"{self._sha256}:{feature.row}"),
            geometry=json.loads(shapely.to_geojson(geometry)),
            attributes=self._attributes(feature),
            **{name: value for name, value in values.items() if value is not None or name in _OPTIONAL},
            **{name: "" for name in ("title", "description", "theme", "kind") if values[name] is None},
        )
        told = {field for field, _ in faults}
        try:
            checked = check(submission, SYSTEM)
        except InputError as error:
            faults += [(field, fault) for field, fault in error.faults if field not in told]
        for field, fault in faults:
            self._note(feature, field, REFUSED, fault.msgid, fault.facts)
        if faults:
            return None
        for repair in checked.repairs:
            self._note(feature, None, REPAIRED, repair.msgid, repair.facts)
        return ImportRow(feature.row, feature.feature_id, checked.geometry, checked.submission, created_at)

    def _given(self, feature: ReadFeature, field: str) -> Any:
        """What the file says, trimmed, else the default; None where neither says anything."""
        value = feature.properties.get(self._columns[field])
        if isinstance(value, str):
            value = value.strip()
        if value is None or value == "":
            return self._defaults.get(field)
        # Texts stay texts: a title that is the number 7 is "7". A budget may be a number.
        return value if field == "budget_lei" or isinstance(value, str) else _as_text(value)

    def _read(
        self,
        feature: ReadFeature,
        values: dict[str, Any],
        field: str,
        reading: Callable[[ReadFeature, str, Any], Any],
        faults: list[tuple[str, MasterplanError]],
    ) -> None:
        """Replace a field's value by what it means; a fault leaves None."""
        if values[field] is None:
            return
        try:
            values[field] = reading(feature, field, values[field])
        except _RowFault as fault:
            faults.append((field, MasterplanError(fault.msgid, **fault.facts)))
            values[field] = None

    def _shorten_title(self, feature: ReadFeature, values: dict[str, Any]) -> None:
        """A title that is too long goes to the head of the description, so that no word is lost."""
        whole = " ".join(str(values["title"] or "").split())
        if len(whole) <= LONGEST_TITLE:
            return
        description = "\n\n".join(part for part in (whole, values["description"]) if part)
        if len(description) > LONGEST_DESCRIPTION:
            return  # refused for its length by the check
        values["title"] = f"{whole[: LONGEST_TITLE - 1].rsplit(' ', 1)[0].rstrip()}…"
        values["description"] = description
        self._note(feature, "title", REPAIRED, TITLE_SHORTENED, {"length": len(whole)})

    def _choice(self, _feature: ReadFeature, field: str, word: str) -> str:
        meant = self._words.get(f"{field}:{word}", word)
        if meant not in CHOICES[field]:
            example, known = CHOICES[field][0], ", ".join(CHOICES[field])
            raise _RowFault(UNKNOWN_WORD, word=word[:80], field=field, example=example, known=known)
        return meant

    def _budget(self, feature: ReadFeature, field: str, given: Any) -> float | None:
        """Lei as a number; how a text with separators was read is told, so that it can be checked."""
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return given
        number = _amount(str(given))
        if not re.fullmatch(r"\d+", str(given)):
            self._note(feature, field, REPAIRED, BUDGET_READ_AS, {"text": str(given)[:60], "lei": number})
        return number

    def _created(self, _feature: ReadFeature, _field: str, given: str) -> datetime:
        moment = _moment(given)
        if moment > datetime.now(UTC):
            raise _RowFault(CREATED_IN_FUTURE, text=given[:40])
        return moment

    def _attributes(self, feature: ReadFeature) -> dict[str, Any]:
        """The columns that no field takes, and the file's own words where they were mapped to ours."""
        taken = {
            column for field, column in self._columns.items() if not self._is_translated(feature, field)
        }
        attributes: dict[str, Any] = {}
        for column, value in feature.properties.items():
            if column in taken or value is None or value == "":
                continue
            plain = value if isinstance(value, (bool, int, float)) else _as_text(value)
            if self._keeps(feature, column, plain, attributes):
                attributes[_attribute_name(column, attributes)] = plain
        return attributes

    def _is_translated(self, feature: ReadFeature, field: str) -> bool:
        word = feature.properties.get(self._columns[field])
        return isinstance(word, str) and self._words.get(f"{field}:{word.strip()}", word) != word

    def _keeps(self, feature: ReadFeature, column: str, value: Any, attributes: dict[str, Any]) -> bool:
        """Whether a column may become an attribute; if not, it is told."""
        if len(attributes) >= MOST_ATTRIBUTES:
            self._note(feature, column, WARNED, TOO_MANY_ATTRIBUTES, {"most": MOST_ATTRIBUTES})
        elif isinstance(value, str) and _EMAIL_INSIDE.search(value):
            self._note(feature, column, WARNED, ATTRIBUTE_PERSONAL, {})
        elif isinstance(value, str) and len(value) > LONGEST_ATTRIBUTE:
            facts = {"length": len(value), "longest": LONGEST_ATTRIBUTE}
            self._note(feature, column, WARNED, ATTRIBUTE_TOO_LONG, facts)
        else:
            return True
        return False

    def _note(
        self, feature: ReadFeature, field: str | None, outcome: str, msgid: str, facts: Mapping[str, Any]
    ) -> None:
        self._issues.append(_issue(feature.row, feature.feature_id, field, outcome, msgid, facts))


_OPTIONAL = frozenset({"email", "on_behalf_of", "budget_lei", "documentation_stage"})


def _issue(
    row: int | None,
    feature_id: str | None,
    field: str | None,
    outcome: str,
    msgid: str,
    facts: Mapping[str, Any],
) -> Issue:
    return Issue(row, feature_id, field, msgid, dict(facts), outcome, f"proposal_{field or 'repaired'}")


def _as_text(value: Any) -> str:
    """A value as text without control characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(c if unicodedata.category(c) not in ("Cc", "Cs") else " " for c in text).strip()


def _attribute_name(column: str, taken: Mapping[str, Any]) -> str:
    """A column's name in the small letters, digits and _ of an attribute; a number makes it unique."""
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:55]
    if not name or not name[0].isalpha():
        name = f"column_{name}".rstrip("_")
    unique, number = name, 2
    while unique in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique


def _amount(text: str) -> float:
    """An amount as Romanians, or others, write it: 1.234.567,50 lei; 1 234 567; 1234567.5.

    A dot before three digits groups thousands, as in Romanian; a single comma before three digits
    is thousands to some and decimals to others, and is refused.
    """
    digits = _CURRENCY.sub("", text.strip()).translate(_SPACES)
    if re.fullmatch(r"\d{1,3}(\.\d{3})+(,\d+)?", digits):
        digits = digits.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d{1,3}(,\d{3}){2,}(\.\d+)?|\d{1,3},\d{3}\.\d+", digits):
        digits = digits.replace(",", "")
    elif re.fullmatch(r"[1-9]\d{0,2},\d{3}", digits):
        raise _RowFault(BUDGET_AMBIGUOUS, text=text[:60])
    elif re.fullmatch(r"\d+,\d+", digits):
        digits = digits.replace(",", ".")
    elif not re.fullmatch(r"\d+(\.\d+)?", digits):
        raise _RowFault(BUDGET_UNREADABLE, text=text[:60])
    return float(digits)


def _moment(text: str) -> datetime:
    """A moment with its zone: ISO 8601 or dd.mm.yyyy; without a zone it is Romanian time."""
    romanian = _ROMANIAN_DATE.fullmatch(text)
    iso = "{2}-{1:0>2}-{0:0>2}".format(*romanian.groups()) if romanian else text
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError as error:
        raise _RowFault(CREATED_UNREADABLE, text=text[:40]) from error
    if len(iso) == len("2026-11-30"):
        moment = datetime.combine(moment.date(), time())
    return moment if moment.tzinfo else moment.replace(tzinfo=_LOCAL_TIME)
