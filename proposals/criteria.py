"""Criteria sets: read from TOML, checked line by line, held as values. Pure: no database, no page.

A set is data that anyone can re-run: *gates* (pass, fail, or a person decides), *scored*
criteria (a measure, a value function, a weight) and *judged* ones (a planner's 0..100).
The format is explained for planners in docs/criteria.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, product
from math import isfinite
from typing import Any

from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_
from proposals.measures import COMPARISONS, GEOMETRIES, MEASURES, Measure

THEMES = ("mobility", "development", "green_blue", "energy_renovation", "public_space", "water", "other")
THEME_NAMES = {
    "mobility": N_("Mobility"),
    "development": N_("Development and buildings"),
    "green_blue": N_("Green-blue infrastructure"),
    "energy_renovation": N_("Energy renovation of blocks"),
    "public_space": N_("Public space"),
    "water": N_("Water"),
    "other": N_("Other"),
}
STATUSES = ("draft", "consultation", "published", "retired")
OPERATORS = ("<", "<=", ">", ">=")
#: What a gate says when its condition does not hold.
OUTCOMES = ("fail", "person", "note")
VERDICTS = ("pass", "note", "person", "fail")
SCALES = ("linear", "log")
LANGUAGES = ("ro", "en")

#: Layer id → attribute → (type, unit or None), as `catalogue_of` makes it from data/layers.toml.
LayerCatalogue = Mapping[str, Mapping[str, tuple[str, str | None]]]
#: Attributes that every layer has without saying so.
COMMON_ATTRIBUTES = {
    "status": ("text", None),
    "feature_id": ("text", None),
    "name_ro": ("text", None),
    "name_en": ("text", None),
}


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a criteria file: the line it stands on and a sentence with its facts."""

    line: int
    msgid: str
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def error(self) -> MasterplanError:
        return MasterplanError(self.msgid, **self.facts)


# -- the values ----------------------------------------------------------------------------


#: What an answer was measured on (`proposals.on_rasters`).
RASTER, POLYGONS = "raster", "polygons"


@dataclass(frozen=True)
class MeasureSpec:
    """A measure function and its parameters; `key` names the number wherever it is stored."""

    function: str
    parameters: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """Function, layer and a digest of all parameters: the same in every set that asks the same."""
        canonical = json.dumps(self.parameters, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:8]
        return ".".join(filter(None, (self.function, self.layer, digest)))

    @property
    def measure(self) -> Measure:
        return MEASURES[self.function]

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer the measure reads, the one that a result names first."""
        found = [self.parameters.get(name) for name in self.measure.layers]
        flat = [item for value in found if value for item in (value if isinstance(value, list) else [value])]
        return tuple(dict.fromkeys(flat))

    @property
    def layer(self) -> str | None:
        return next(iter(self.layers), None)

    @property
    def may_use_raster(self) -> bool:
        """Whether a raster could answer: a number over all of a layer, or the share inside one class of it."""
        where = self.parameters.get("where") or {}
        return not where if self.function == "attribute_at" else self.function == "share_inside" and len(where) == 1


@dataclass(frozen=True)
class Criterion:
    """What gates, scored and judged criteria share. `themes` and `geometries` say whom it is asked of."""

    key: str
    group: str
    question: Mapping[str, str]
    rationale: Mapping[str, str]
    example: Mapping[str, str]
    source: str
    themes: frozenset[str]
    geometries: frozenset[str]


@dataclass(frozen=True)
class Gate(Criterion):
    """Passes when `value operator threshold`, or when its word is in `pass`; else `otherwise`.

    `threshold` is a number for each kind of geometry, or None where the measure gives its own
    limit. `words` maps each word of a measure to a verdict, for measures that answer in words.
    """

    spec: MeasureSpec
    unit: str
    operator: str | None
    threshold: Mapping[str, float] | None
    otherwise: str | None
    words: Mapping[str, str]
    remedy: Mapping[str, str]
    institution: Mapping[str, str]


@dataclass(frozen=True)
class ValueFunction:
    """From a measured value to a score 0..100.

    Numbers: straight lines between `points` (on the logarithm of the value with scale "log"),
    flat beyond the first and the last. Words: `categories`. `caps` bounds the score by the
    measure's class.
    """

    points: tuple[tuple[float, float], ...] = ()
    scale: str = "linear"
    categories: Mapping[str, float] = field(default_factory=dict)
    caps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored(Criterion):
    spec: MeasureSpec
    unit: str
    value_function: ValueFunction
    weight: float


@dataclass(frozen=True)
class Judged(Criterion):
    """A planner's 0..100, guided by a stated scale."""

    scale: Mapping[str, str]
    weight: float


@dataclass(frozen=True)
class DecisionRule:
    """The bands of the total: from `recommended` up, from `debate` up, below."""

    recommended: float
    debate: float
    text: Mapping[str, str]


@dataclass(frozen=True)
class Stakeholder:
    """A group of stakeholders with weights of its own; a criterion it does not name keeps the set's weight."""

    key: str
    name: Mapping[str, str]
    weights: Mapping[str, float]


@dataclass(frozen=True)
class CriteriaSet:
    version: str
    status: str
    title: Mapping[str, str]
    note: Mapping[str, str]
    largest_group_percent: float
    decision: DecisionRule
    groups: Mapping[str, Mapping[str, str]]
    gates: tuple[Gate, ...]
    scored: tuple[Scored, ...]
    judged: tuple[Judged, ...]
    stakeholders: tuple[Stakeholder, ...] = ()

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        return (*self.gates, *self.scored, *self.judged)

    @property
    def weighted(self) -> tuple[Scored | Judged, ...]:
        return (*self.scored, *self.judged)

    def criterion(self, key: str) -> Criterion:
        return next(criterion for criterion in self.criteria if criterion.key == key)

    def asked(self, theme: str, geometry: str) -> tuple[Criterion, ...]:
        """The criteria that a proposal of this theme and kind of geometry is asked."""
        return tuple(c for c in self.criteria if theme in c.themes and geometry in c.geometries)


def measure_specs(sets: Iterable[CriteriaSet]) -> dict[str, MeasureSpec]:
    """Every measure that the sets need, once, by key."""
    return {c.spec.key: c.spec for s in sets for c in (*s.gates, *s.scored)}


def catalogue_of(layers_toml: Mapping[str, Any]) -> LayerCatalogue:
    """The catalogue that `check` asks, from the parsed text of data/layers.toml."""
    return {
        layer["id"]: {a["name"]: (a["type"], a.get("unit")) for a in layer.get("attribute", [])}
        for layer in layers_toml["layer"]
    }


# -- reading -------------------------------------------------------------------------------


def check(text: str, catalogue: LayerCatalogue) -> list[Fault]:
    """Everything wrong with a criteria file at once, in the order of its lines; empty = good."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        return [Fault(line, N_("This is not TOML: {detail}."), {"detail": str(error)})]
    return _Check(document, _Lines(text), catalogue).faults()


def parse(text: str, catalogue: LayerCatalogue) -> CriteriaSet:
    """A criteria set from its TOML text.

    Raises
    ------
    InputError
        With every fault that `check` finds, each under "line N".
    """
    faults = check(text, catalogue)
    if faults:
        raise InputError([(f"line {fault.line}", fault.error) for fault in faults])
    return from_definition(definition(text))


def definition(text: str) -> dict[str, Any]:
    """The parsed TOML as JSON holds it: what the database keeps of a checked set."""
    return tomllib.loads(text)


def from_definition(document: Mapping[str, Any]) -> CriteriaSet:
    """A criteria set from a definition that has been checked."""
    head, decision = document["set"], document["decision"]
    return CriteriaSet(
        version=head["version"],
        status=head["status"],
        title=_words(head, "title"),
        note=_words(head, "note"),
        largest_group_percent=float(head["largest_group_percent"]),
        decision=DecisionRule(
            float(decision["recommended"]), float(decision["debate"]), _words(decision, "text")
        ),
        groups={group["key"]: _words(group, "name") for group in document["group"]},
        gates=tuple(_gate(table) for table in document.get("gate", [])),
        scored=tuple(_scored(table) for table in document.get("scored", [])),
        judged=tuple(_judged(table) for table in document.get("judged", [])),
        stakeholders=tuple(_stakeholder(table) for table in document.get("stakeholder", [])),
    )


def _gate(table: Mapping[str, Any]) -> Gate:
    spec = _spec(table, bounds=True)
    threshold = table.get("threshold")
    if isinstance(threshold, (int, float)):
        threshold = dict.fromkeys(GEOMETRIES, float(threshold))
    return Gate(
        **_shared(table),
        spec=spec,
        unit=table.get("unit", spec.measure.unit),
        operator=table.get("operator"),
        threshold=None if threshold in (None, "measure") else {k: float(v) for k, v in threshold.items()},
        otherwise=table.get("otherwise"),
        words=table.get("words", {}),
        remedy=_words(table, "remedy"),
        institution=_words(table, "institution") if "institution_ro" in table else {},
    )


def _scored(table: Mapping[str, Any]) -> Scored:
    spec = _spec(table)
    function = ValueFunction(
        points=tuple((float(x), float(y)) for x, y in table.get("points", [])),
        scale=table.get("scale", "linear"),
        categories=table.get("categories", {}),
        caps=table.get("caps", {}),
    )
    return Scored(
        **_shared(table),
        spec=spec,
        unit=table.get("unit", spec.measure.unit),
        value_function=function,
        weight=float(table["weight"]),
    )


def _judged(table: Mapping[str, Any]) -> Judged:
    return Judged(**_shared(table), scale=_words(table, "scale"), weight=float(table["weight"]))


def _stakeholder(table: Mapping[str, Any]) -> Stakeholder:
    weights = {key: float(weight) for key, weight in table["weights"].items()}
    return Stakeholder(table["key"], _words(table, "name"), weights)


def _shared(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": table["key"],
        "group": table["group"],
        "question": _words(table, "question"),
        "rationale": _words(table, "rationale"),
        "example": _words(table, "example"),
        "source": table["source"],
        "themes": frozenset(table["themes"]),
        "geometries": frozenset(_geometries(table)),
    }


def _geometries(table: Mapping[str, Any]) -> Iterable[str]:
    if "geometries" in table or "measure" not in table:
        return table.get("geometries", GEOMETRIES)
    return MEASURES[table["measure"]["function"]].geometries


def _spec(table: Mapping[str, Any], bounds: bool = False) -> MeasureSpec:
    """The measure asked for; a gate also wants to know how far accuracy may move the value."""
    parameters = dict(table["measure"])
    function = parameters.pop("function")
    if bounds and "bounds" in MEASURES[function].parameters:
        parameters["bounds"] = True
    return MeasureSpec(function, parameters)


def _words(table: Mapping[str, Any], name: str) -> dict[str, str]:
    return {language: table[f"{name}_{language}"] for language in LANGUAGES}


# -- checking ------------------------------------------------------------------------------


class _Lines:
    """On which line a table and its fields stand, which tomllib does not tell."""

    _HEADER = re.compile(r"^\s*\[\[?\s*([A-Za-z0-9_.-]+)\s*\]\]?")
    _FIELD = re.compile(r"^\s*([A-Za-z0-9_-]+)(?:\.[A-Za-z0-9_.-]+)?\s*=")

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[str, int, str], int] = {}
        counts: dict[str, int] = {}
        table, index, quoted = "", 0, ""
        for number, line in enumerate(text.splitlines(), start=1):
            if not quoted:
                table, index = self._note(line, number, table, index, counts)
            for mark in ('"""', "'''"):
                if line.count(mark) % 2 and quoted in ("", mark):
                    quoted = "" if quoted else mark

    def _note(
        self, line: str, number: int, table: str, index: int, counts: dict[str, int]
    ) -> tuple[str, int]:
        if header := self._HEADER.match(line):
            name = header[1].split(".")[0]
            if "." not in header[1]:
                index = counts.get(name, 0)
                counts[name] = index + 1
                self._found[name, index, ""] = number
            else:
                self._found[table, index, header[1].split(".")[1]] = number
            return name, index
        if assignment := self._FIELD.match(line):
            self._found.setdefault((table, index, assignment[1]), number)
        return table, index

    def line(self, table: str, index: int = 0, *fields: str) -> int:
        """The line of the first of these fields that is written, else of the table, else 1."""
        candidates = [(table, index, name) for name in (*fields, "")]
        return next((self._found[c] for c in candidates if c in self._found), 1)


_REQUIRED = {
    "set": ("version", "status", "title_ro", "title_en", "note_ro", "note_en", "largest_group_percent"),
    "decision": ("recommended", "debate", "text_ro", "text_en"),
    "group": ("key", "name_ro", "name_en"),
}
_ABOUT = (
    "key",
    "group",
    "question_ro",
    "question_en",
    "rationale_ro",
    "rationale_en",
    "example_ro",
    "example_en",
    "source",
    "themes",
)
_REQUIRED |= {
    "gate": (*_ABOUT, "measure", "remedy_ro", "remedy_en"),
    "scored": (*_ABOUT, "measure", "weight"),
    "judged": (*_ABOUT, "scale_ro", "scale_en", "weight"),
    "stakeholder": ("key", "name_ro", "name_en", "weights"),
}
_OPTIONAL = {
    "gate": (
        "geometries",
        "unit",
        "operator",
        "threshold",
        "otherwise",
        "words",
        "institution_ro",
        "institution_en",
    ),
    "scored": ("geometries", "unit", "points", "scale", "categories", "caps"),
    "judged": ("geometries",),
}


class _Check:
    """Walks a parsed document once and collects every fault."""

    def __init__(self, document: Mapping[str, Any], lines: _Lines, catalogue: LayerCatalogue) -> None:
        self.document, self.lines, self.catalogue = document, lines, catalogue
        self._faults: list[Fault] = []
        self.table, self.index, self.entry = "", 0, {}

    def faults(self) -> list[Fault]:
        for name in self.document:
            if name not in _REQUIRED:
                self._faults.append(
                    Fault(self.lines.line(name), N_("Unknown table: {name}."), {"name": name})
                )
        for name in ("set", "decision", "group", "gate", "scored", "judged", "stakeholder"):
            self._table(name)
        self._duplicates()
        if not self._faults:
            self._group_shares()
        return sorted(self._faults, key=lambda fault: fault.line)

    def fault(self, fields: str | tuple[str, ...], msgid: str, **facts: object) -> None:
        fields = (fields,) if isinstance(fields, str) else fields
        self._faults.append(Fault(self.lines.line(self.table, self.index, *fields), msgid, facts))

    def _table(self, name: str) -> None:
        single = name in ("set", "decision")
        found = self.document.get(name, {} if single else [])
        if single and not isinstance(found, Mapping) or not single and not _is_list_of_tables(found):
            self._faults.append(
                Fault(self.lines.line(name), N_("Wrong kind of table: {name}."), {"name": name})
            )
            return
        for self.index, self.entry in enumerate([found] if single else found):
            self.table = name
            self._fields()
            getattr(self, f"_check_{name}")()

    def _fields(self) -> None:
        for name in _REQUIRED[self.table]:
            self._field(name)
        known = {*_REQUIRED[self.table], *_OPTIONAL.get(self.table, ())}
        for name in self.entry:
            if name not in known:
                self.fault(name, N_("Unknown field: {name}."), name=name)

    def _field(self, name: str) -> None:
        value = self.entry.get(name)
        translated = name.endswith(("_ro", "_en"))
        if value is None or value == "":
            msgid = N_("Missing translation: {name}.") if translated else N_("Missing field: {name}.")
            self.fault((name, _sibling(name)) if translated else name, msgid, name=name)
        elif (translated or name in ("key", "group", "source", "version", "status")) and not isinstance(
            value, str
        ):
            self.fault(name, N_("{name} must be text."), name=name)

    def _number(self, name: str, low: float, high: float) -> float | None:
        value = self.entry.get(name)
        if value is None:
            return None
        if not _is_number(value) or not low <= value <= high:
            self.fault(
                name, N_("{name} must be a number from {low} to {high}."), name=name, low=low, high=high
            )
            return None
        return float(value)

    def _one_of(self, name: str, options: Iterable[str]) -> None:
        value = self.entry.get(name)
        if value is not None and value not in options:
            self.fault(name, N_("Unknown {name}: {value}."), name=name, value=value)

    # each table

    def _check_set(self) -> None:
        self._one_of("status", STATUSES)
        self._number("largest_group_percent", 1, 100)

    def _check_decision(self) -> None:
        recommended, debate = self._number("recommended", 0, 100), self._number("debate", 0, 100)
        if recommended is not None and debate is not None and debate >= recommended:
            self.fault("debate", N_("The band for debate must start below the band for recommendation."))

    def _check_group(self) -> None:
        """Groups have nothing beyond their fields."""

    def _check_gate(self) -> None:
        self._check_about()
        measure = self._check_measure()
        if ("institution_ro" in self.entry) != ("institution_en" in self.entry):
            self.fault(
                ("institution_ro", "institution_en"), N_("Missing translation: {name}."), name="institution"
            )
        if measure and measure.values:
            self._check_words(measure)
        elif measure:
            self._check_threshold(measure)

    def _check_scored(self) -> None:
        self._check_about()
        self._check_weight()
        measure = self._check_measure()
        if measure and measure.values:
            self._check_categories(measure)
        elif measure:
            self._check_points()
        if measure and "caps" in self.entry:
            self._check_caps(measure)

    def _check_judged(self) -> None:
        self._check_about()
        self._check_weight()

    def _check_stakeholder(self) -> None:
        weights = self.entry.get("weights")
        if weights is None:
            return
        if not isinstance(weights, Mapping) or not weights:
            self.fault("weights", N_("{name} must list at least one: nobody would be asked."), name="weights")
            return
        entries = [e for table in ("scored", "judged") for e in self.document.get(table, []) if isinstance(e, Mapping)]
        keys = {entry.get("key") for entry in entries}
        for key, weight in weights.items():
            if key not in keys:
                self.fault("weights", N_("{name} is no criterion with a weight."), name=key)
            if not _is_number(weight) or weight <= 0:
                self.fault("weights", N_("A weight must be above zero; leave the criterion out instead."))

    # parts of a criterion

    def _check_about(self) -> None:
        groups = [g.get("key") for g in self.document.get("group", []) if isinstance(g, Mapping)]
        if "group" in self.entry and self.entry["group"] not in groups:
            self.fault("group", N_("Unknown group: {name}."), name=self.entry["group"])
        self._check_list("themes", THEMES)
        self._check_list("geometries", GEOMETRIES)

    def _check_list(self, name: str, options: tuple[str, ...]) -> None:
        if name not in self.entry:
            return
        values = self.entry[name]
        if not isinstance(values, list) or not values:
            self.fault(name, N_("{name} must list at least one: nobody would be asked."), name=name)
            return
        for value in values:
            if value not in options:
                self.fault(name, N_("Unknown {name}: {value}."), name=name, value=value)

    def _check_weight(self) -> None:
        weight = self.entry.get("weight")
        if weight is not None and (not _is_number(weight) or weight <= 0):
            self.fault("weight", N_("A weight must be above zero; leave the criterion out instead."))

    def _check_measure(self) -> Measure | None:
        given = self.entry.get("measure")
        if given is None:
            return None
        if not isinstance(given, Mapping) or given.get("function") not in MEASURES:
            name = given.get("function") if isinstance(given, Mapping) else given
            self.fault("measure", N_("Unknown measure: {name}."), name=name)
            return None
        measure = MEASURES[given["function"]]
        self._check_parameters(measure, given)
        geometries = self.entry.get("geometries", measure.geometries)
        for geometry in set(geometries if isinstance(geometries, list) else []) - set(measure.geometries):
            self.fault(
                ("geometries", "measure"),
                N_("{measure} does not measure a {geometry}."),
                measure=measure.name,
                geometry=geometry,
            )
        if not measure.unit and not measure.values and not isinstance(self.entry.get("unit"), str):
            self.fault("measure", N_("Missing field: {name}."), name="unit")
        return measure

    def _check_parameters(self, measure: Measure, given: Mapping[str, Any]) -> None:
        for name in given:
            if name != "function" and name not in measure.parameters:
                self.fault(
                    "measure", N_("{measure} has no parameter {name}."), measure=measure.name, name=name
                )
        for name, parameter in measure.parameters.items():
            if parameter.default is parameter.empty and name not in given:
                self.fault(
                    "measure", N_("{measure} needs the parameter {name}."), measure=measure.name, name=name
                )
        for name in measure.layers:
            for layer in _as_list(given.get(name)):
                if not isinstance(layer, str) or layer not in self.catalogue:
                    self.fault("measure", N_("Unknown layer: {name}."), name=layer)
        for name, layer_parameter in measure.attributes.items():
            if name in given:
                self._check_attribute(given.get(layer_parameter), given[name])
        if given.get("statistic", "mean") not in ("mean", "max"):
            self.fault("measure", N_("Unknown {name}: {value}."), name="statistic", value=given["statistic"])
        for name, value in given.items():
            if (
                name.endswith(("_m", "_m2", "_ha", "_lei"))
                and not isinstance(value, str)
                and not _is_number(value)
            ):
                self.fault("measure", N_("{name} must be a number."), name=name)
        self._check_where(given)

    def _check_where(self, given: Mapping[str, Any]) -> None:
        where = given.get("where", {})
        if not isinstance(where, Mapping):
            self.fault("measure", N_("{name} must be a table of attribute and value."), name="where")
            return
        for attribute, wanted in where.items():
            self._check_attribute(given.get("layer"), attribute)
            if isinstance(wanted, Mapping):
                for word, edge in wanted.items():
                    if word not in COMPARISONS or not _is_number(edge):
                        self.fault(
                            "measure", N_("Unknown {name}: {value}."), name=attribute, value=f"{word} {edge}"
                        )

    def _check_attribute(self, layer: object, attribute: object) -> None:
        known = self.catalogue.get(layer) if isinstance(layer, str) else None
        if known is None:
            return
        if not isinstance(attribute, str) or attribute not in {**known, **COMMON_ATTRIBUTES}:
            self.fault(
                "measure", N_("The layer {layer} has no attribute {name}."), layer=layer, name=attribute
            )

    def _check_words(self, measure: Measure) -> None:
        words = self.entry.get("words")
        if not isinstance(words, Mapping) or set(words) != set(measure.values):
            self.fault("words", N_("Say a verdict for each of: {values}."), values=", ".join(measure.values))
            return
        for verdict in words.values():
            if verdict not in VERDICTS:
                self.fault("words", N_("Unknown {name}: {value}."), name="verdict", value=verdict)
        if len(set(words.values())) == 1:
            self.fault("words", N_("This gate can never tell one case from another."))

    def _check_threshold(self, measure: Measure) -> None:
        for name, options in (("operator", OPERATORS), ("otherwise", OUTCOMES)):
            if name not in self.entry:
                self.fault(name, N_("Missing field: {name}."), name=name)
            self._one_of(name, options)
        threshold = self.entry.get("threshold")
        if threshold == "measure" and measure.gives_limit:
            return
        numbers = list(threshold.values()) if isinstance(threshold, Mapping) else [threshold]
        asked = set(self.entry.get("geometries", measure.geometries))
        if isinstance(threshold, Mapping) and not asked <= set(threshold) <= set(GEOMETRIES):
            self.fault(
                "threshold", N_("Say a threshold for each of: {values}."), values=", ".join(sorted(asked))
            )
        if not all(_is_number(number) for number in numbers):
            self.fault("threshold", N_("{name} must be a number."), name="threshold")
            return
        if any(not self._can_trip(measure, number) for number in numbers):
            self.fault(
                "threshold",
                N_("This gate can never trip: {measure} goes from {low} to {high}."),
                measure=measure.name,
                low=measure.minimum,
                high=measure.maximum,
            )
        elif any(not self._can_pass(measure, number) for number in numbers):
            self.fault(
                "threshold",
                N_("This gate can never be passed: {measure} goes from {low} to {high}."),
                measure=measure.name,
                low=measure.minimum,
                high=measure.maximum,
            )

    def _can_trip(self, measure: Measure, threshold: float) -> bool:
        return {
            "<": measure.maximum >= threshold,
            "<=": measure.maximum > threshold,
            ">": measure.minimum <= threshold,
            ">=": measure.minimum < threshold,
        }.get(str(self.entry.get("operator")), True)

    def _can_pass(self, measure: Measure, threshold: float) -> bool:
        return {
            "<": measure.minimum < threshold,
            "<=": measure.minimum <= threshold,
            ">": measure.maximum > threshold,
            ">=": measure.maximum >= threshold,
        }.get(str(self.entry.get("operator")), True)

    def _check_points(self) -> None:
        points, scale = self.entry.get("points"), self.entry.get("scale", "linear")
        self._one_of("scale", SCALES)
        if points is None:
            self.fault("points", N_("Missing field: {name}."), name="points")
            return
        if not isinstance(points, list) or not all(
            isinstance(p, list) and len(p) == 2 and all(map(_is_number, p)) for p in points
        ):
            self.fault("points", N_("Each point of a value function is a pair of numbers: [value, score]."))
            return
        if len(points) < 2:
            self.fault("points", N_("A value function needs at least two points."))
        if any(after[0] <= before[0] for before, after in pairwise(points)):
            self.fault("points", N_("The values of a value function must rise from point to point."))
        if any(not 0 <= score <= 100 for _, score in points):
            self.fault("points", N_("Scores go from 0 to 100."))
        if scale == "log" and any(value <= 0 for value, _ in points):
            self.fault("points", N_("On a logarithmic scale every value must be above zero."))

    def _check_categories(self, measure: Measure) -> None:
        categories = self.entry.get("categories")
        if not isinstance(categories, Mapping) or set(categories) != set(measure.values):
            self.fault(
                "categories", N_("Say a score for each of: {values}."), values=", ".join(measure.values)
            )
        elif not all(_is_number(score) and 0 <= score <= 100 for score in categories.values()):
            self.fault("categories", N_("Scores go from 0 to 100."))

    def _check_caps(self, measure: Measure) -> None:
        caps = self.entry["caps"]
        if not isinstance(caps, Mapping) or not set(caps) <= set(measure.classes):
            self.fault("caps", N_("Say a cap for some of: {values}."), values=", ".join(measure.classes))
        elif not all(_is_number(score) and 0 <= score <= 100 for score in caps.values()):
            self.fault("caps", N_("Scores go from 0 to 100."))

    # the set as a whole

    def _duplicates(self) -> None:
        for tables in (("group",), ("gate", "scored", "judged"), ("stakeholder",)):
            seen: set[str] = set()
            for table in tables:
                found = self.document.get(table, [])
                for index, entry in enumerate(found if _is_list_of_tables(found) else []):
                    key = entry.get("key")
                    if not isinstance(key, str):
                        continue
                    if key in seen:
                        line = self.lines.line(table, index, "key")
                        self._faults.append(Fault(line, N_("The key {name} is used twice."), {"name": key}))
                    seen.add(key)

    def _group_shares(self) -> None:
        """No group may carry more than its share of the weight, whatever the theme and geometry."""
        criteria = from_definition(self.document)
        told: set[str] = set()
        for theme, geometry in product(THEMES, GEOMETRIES):
            weights = group_weights(criteria, theme, geometry)
            whole = sum(weights.values())
            for group, weight in weights.items():
                percent = 100 * weight / whole
                if percent > criteria.largest_group_percent + 1e-9 and group not in told:
                    told.add(group)
                    index = list(criteria.groups).index(group)
                    self._faults.append(
                        Fault(
                            self.lines.line("group", index, "key"),
                            N_(
                                "The group {group} carries {percent} % of the weight for {theme}"
                                " ({geometry}); at most {largest} % may."
                            ),
                            {
                                "group": group,
                                "percent": round(percent, 1),
                                "theme": theme,
                                "geometry": geometry,
                                "largest": criteria.largest_group_percent,
                            },
                        )
                    )


def weights_of(criteria: CriteriaSet, stakeholder: Stakeholder | None = None) -> list[float]:
    """The weight of each of `criteria.weighted`: the set's own, or a stakeholder group's."""
    own = stakeholder.weights if stakeholder else {}
    return [own.get(criterion.key, criterion.weight) for criterion in criteria.weighted]


def group_weights(criteria: CriteriaSet, theme: str, geometry: str) -> dict[str, float]:
    """The weight each group carries for a theme and a kind of geometry, when all is assessed."""
    found: dict[str, float] = {}
    for criterion in criteria.weighted:
        if theme in criterion.themes and geometry in criterion.geometries:
            found[criterion.group] = found.get(criterion.group, 0.0) + criterion.weight
    return found


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, Mapping) for entry in value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _as_list(value: object) -> list:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _sibling(name: str) -> str:
    stem, language = name.rsplit("_", 1)
    return f"{stem}_{'en' if language == 'ro' else 'ro'}"
