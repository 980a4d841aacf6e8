"""Scoring: arithmetic on measures. Pure and vectorised; one proposal is a batch of one.

Spatial work is done before (`proposals.measuring`); here a criteria set turns measured
values into verdicts, scores, a weighted total and a recommendation. Nothing here knows a
database, so a changed weight or threshold replays over every proposal at once.

Rules of every set, beside its own numbers:

- gates and scores never mix: a gate is a verdict, not points;
- a sketch never vetoes: measured on an *indicative* layer, "fail" becomes "person";
- a value within its layer's accuracy of the limit (`low`..`high` spans it) is "person";
- a missing fact is "not_assessed"; its weight is shared out and the coverage says so;
- what a planner overruled counts as they said; what was computed stays beside it;
- an observation gets no recommendation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import orjson

from masterplan.language import N_
from proposals.criteria import (
    POLYGONS,
    THEMES,
    CriteriaSet,
    Criterion,
    DecisionRule,
    Gate,
    Judged,
    Scored,
    ValueFunction,
)
from proposals.measures import GEOMETRIES

VERDICTS = ("pass", "note", "person", "fail", "not_assessed")
PASS, NOTE, PERSON, FAIL, NOT_ASSESSED = range(5)
#: Marks a criterion that this proposal is not asked.
NOT_ASKED = -1

RECOMMENDATIONS = (None, "integrate", "debate", "reject")
NONE, INTEGRATE, DEBATE, REJECT = range(4)

#: Why a result is what it is; facts: see `explain`.
REASONS = {
    "holds": N_("The condition holds."),
    "breaks": N_("The condition does not hold."),
    "accuracy": N_("The result lies within the accuracy of the layer ({accuracy} m): a person decides."),
    "indicative": N_("The condition does not hold, but the layer is an indicative sketch: a person decides."),
    "asks": N_("What was found asks for a person to look: nothing is decided by the measure alone."),
    "noted": N_("Something to know; the condition is met."),
    "missing": N_("Not assessed: the fact is missing. Its weight is shared out among the other criteria."),
    "unjudged": N_("Not assessed yet: a planner judges this one. Its weight is shared out until then."),
    "scored": N_("The value function turns {value} into {score} points of 100."),
    "capped": N_("The score is capped at {cap}: {class}."),
    "judged": N_("A planner gave {score} points of 100."),
    "overruled": N_("A planner overruled what was computed."),
}
_HOLDS, _BREAKS, _ACCURACY, _INDICATIVE, _MISSING, _ASKS, _NOTED = range(7)
_GATE_REASONS = ("holds", "breaks", "accuracy", "indicative", "missing", "asks", "noted")

_TOTAL_DECIMALS = 2
#: What an answer says of raster and polygons (`proposals.on_rasters`), and a result after it.
_ON = tuple((name, name) for name in ("on", "why", "raster"))


@dataclass(frozen=True)
class LayerFact:
    """What scoring must know of the layer version that a measure was taken on."""

    version: int
    indicative: bool
    accuracy_m: float


@dataclass(frozen=True)
class Subject:
    """A proposal as scoring sees it."""

    theme: str
    geometry: str
    kind: str = "observation"


@dataclass(frozen=True)
class Given:
    """What a person gave one criterion of one proposal: points 0..100, or for a gate a verdict.

    For a judged criterion that is its score; for another it overrules what was computed. `on_value` is the
    value that was measured when it was given, `role` the role of who gave it, `at` when (ISO 8601).
    """

    points: float | None = None
    verdict: str | None = None
    reason: str = ""
    role: str = ""
    at: str = ""
    on_value: float | str | None = None

    def told(self) -> dict[str, str]:
        """What a result says of it."""
        return {"reason": self.reason, "role": self.role, "at": self.at}


@dataclass(frozen=True)
class Score:
    """The result for one proposal; `results` as in the table `score`."""

    total: float | None
    coverage: float
    recommendation: str | None
    results: dict[str, dict[str, Any]]


class Column:
    """One measure over many proposals, as arrays; a missing answer is NaN or None."""

    def __init__(self, answers: Sequence[Mapping[str, Any] | None]) -> None:
        self.answers = [answer or {} for answer in answers]

    def _numbers(self, name: str) -> np.ndarray:
        found = (answer.get(name) for answer in self.answers)
        return np.fromiter(
            (np.nan if value is None or isinstance(value, str) else value for value in found),
            dtype=float,
            count=len(self.answers),
        )

    @cached_property
    def value(self) -> np.ndarray:
        return self._numbers("value")

    @cached_property
    def low(self) -> np.ndarray:
        low = self._numbers("low")
        return np.where(np.isnan(low), self.value, low)

    @cached_property
    def high(self) -> np.ndarray:
        high = self._numbers("high")
        return np.where(np.isnan(high), self.value, high)

    @cached_property
    def limit(self) -> np.ndarray:
        return self._numbers("limit")

    @cached_property
    def _word(self) -> np.ndarray:
        return np.array([answer.get("value") for answer in self.answers], dtype=object)

    def says(self, word: str) -> np.ndarray:
        """Where the measure answered with this word."""
        return self._word == word

    @cached_property
    def uncertain(self) -> np.ndarray:
        return np.array([bool(answer.get("uncertain")) for answer in self.answers], dtype=bool)

    @cached_property
    def _class(self) -> np.ndarray:
        return np.array([answer.get("class") for answer in self.answers], dtype=object)

    def classed(self, name: str) -> np.ndarray:
        """Where the answer is of this class."""
        return self._class == name


@dataclass(frozen=True)
class Batch:
    """Many proposals with their measures, all measured on the same layer versions.

    `theme` and `geometry` are positions in THEMES and GEOMETRIES. `columns` holds a `Column` for
    each measure key; `judgements` an array of the points 0..100 that a person gave a criterion,
    `overruled` one of the verdicts (codes of VERDICTS) given a gate, NaN where nobody did; `given` holds
    both in full, row by row, for results that say them.
    """

    theme: np.ndarray
    geometry: np.ndarray
    is_proposal: np.ndarray
    columns: Mapping[str, Column]
    layers: Mapping[str, LayerFact]
    judgements: Mapping[str, np.ndarray]
    overruled: Mapping[str, np.ndarray] = field(default_factory=dict)
    given: Sequence[Mapping[str, Given]] = ()

    def __len__(self) -> int:
        return len(self.theme)

    @cached_property
    def case(self) -> np.ndarray:
        """Theme and geometry of each proposal as one position in `_CASES`."""
        return self.theme.astype(np.intp) * len(GEOMETRIES) + self.geometry


_CASES = tuple(product(THEMES, GEOMETRIES))


def batch(
    subjects: Sequence[Subject],
    measures: Sequence[Mapping[str, Mapping[str, Any] | None]],
    layers: Mapping[str, LayerFact],
    keys: Iterable[str],
    given: Sequence[Mapping[str, Given]] | None = None,
) -> Batch:
    """Turn proposals and their measured answers (in the same order) into arrays."""
    judged = given or [{}] * len(subjects)
    return Batch(
        theme=np.array([THEMES.index(subject.theme) for subject in subjects], dtype=np.int8),
        geometry=np.array([GEOMETRIES.index(subject.geometry) for subject in subjects], dtype=np.int8),
        is_proposal=np.array([subject.kind == "proposal" for subject in subjects], dtype=bool),
        columns={key: Column([answers.get(key) for answers in measures]) for key in keys},
        layers=layers,
        judgements=_arrays(judged, lambda one: one.points),
        overruled=_arrays(judged, lambda one: None if one.verdict is None else VERDICTS.index(one.verdict)),
        given=judged,
    )


def _arrays(
    rows: Sequence[Mapping[str, Given]], number: Callable[[Given], float | None]
) -> dict[str, np.ndarray]:
    """What some rows were given, as an array over all rows for each criterion; NaN for nothing."""
    found: dict[str, np.ndarray] = {}
    for position, row in enumerate(rows):
        for key, one in row.items():
            if (said := number(one)) is not None:
                found.setdefault(key, np.full(len(rows), np.nan))[position] = said
    return found


@dataclass(frozen=True)
class Evaluation:
    """A criteria set applied to a batch, as arrays over its proposals.

    `verdicts` (codes of VERDICTS; NOT_ASKED), `reasons` and `thresholds` have a row for each gate;
    `asked`, `scores` (NaN where not assessed) and `shares` (of the assessed weight) a row for each
    weighted criterion. `total` is NaN where nothing could be scored. What a person overruled is in them;
    `computed` holds what was computed of the criteria that were overruled somewhere.
    """

    verdicts: np.ndarray
    reasons: np.ndarray
    thresholds: np.ndarray
    asked: np.ndarray
    scores: np.ndarray
    shares: np.ndarray
    total: np.ndarray
    coverage: np.ndarray
    recommendation: np.ndarray
    computed: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Decided:
    """What a criteria set decides of a batch: the part of an `Evaluation` that a replay needs, at less cost."""

    verdicts: Sequence[np.ndarray]
    total: np.ndarray
    coverage: np.ndarray
    recommendation: np.ndarray


def decide(criteria: CriteriaSet, many: Batch) -> Decided:
    """Verdicts, totals and recommendations of a whole batch; no JSON, no loops over rows."""
    verdicts = [_overruled(gate.key, many, _reach(gate, many).verdicts) for gate in criteria.gates]
    return _decided(criteria, many, verdicts, (_given_or_computed(c, many) for c in criteria.weighted))


def evaluate(criteria: CriteriaSet, many: Batch) -> Evaluation:
    """What `decide` says, with the reason of each verdict and the score and share of each criterion."""
    size = len(many)
    gates = [_reach(gate, many) for gate in criteria.gates]
    scores = [_given_or_computed(criterion, many) for criterion in criteria.weighted]
    pairs = list(zip(criteria.gates, gates, strict=True))
    verdicts = [_overruled(gate.key, many, reached.verdicts) for gate, reached in pairs]
    decided = _decided(criteria, many, verdicts, scores)
    stacked = _stacked(scores, size, float)
    given = np.array([[criterion.weight] for criterion in criteria.weighted]).reshape(-1, 1)
    weights = np.where(np.isnan(stacked), 0.0, given)
    assessed = weights.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(assessed > 0, weights / assessed, 0.0)
    return Evaluation(
        verdicts=_stacked(list(decided.verdicts), size, np.int8),
        reasons=_stacked([gate.reasons for gate in gates], size, np.int8),
        thresholds=_stacked([np.broadcast_to(gate.threshold, size) for gate in gates], size, float),
        asked=_stacked([_asked(criterion, many) for criterion in criteria.weighted], size, bool),
        scores=stacked,
        shares=shares,
        total=decided.total,
        coverage=decided.coverage,
        recommendation=decided.recommendation,
        computed={
            gate.key: reached.verdicts
            for gate, reached in pairs
            if gate.key in many.overruled
        }
        | {c.key: _score(c, many) for c in criteria.scored if c.key in many.judgements},
    )


def _decided(
    criteria: CriteriaSet, many: Batch, verdicts: Sequence[np.ndarray], scores: Iterable[np.ndarray]
) -> Decided:
    sums, assessed = np.zeros(len(many)), np.zeros(len(many))
    for criterion, score in zip(criteria.weighted, scores, strict=True):
        known = ~np.isnan(score)
        sums += np.where(known, criterion.weight * score, 0.0)
        assessed += criterion.weight * known
    possible = np.array([
        sum(c.weight for c in criteria.weighted if theme in c.themes and geometry in c.geometries)
        for theme, geometry in _CASES
    ], dtype=float).take(many.case)  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):
        coverage = np.where(possible > 0, assessed / possible, 0.0)
        total = np.round(sums / assessed, _TOTAL_DECIMALS)
    return Decided(
        verdicts, total, np.round(coverage, 4), _recommend(criteria.decision, verdicts, total, many.is_proposal)
    )


def _stacked(rows: list[np.ndarray], size: int, dtype: type) -> np.ndarray:
    return np.stack(rows).astype(dtype) if rows else np.empty((0, size), dtype)


def _asked(criterion: Criterion, many: Batch) -> np.ndarray:
    """Which proposals of the batch this criterion is asked of."""
    cases = [theme in criterion.themes and geometry in criterion.geometries for theme, geometry in _CASES]
    return np.array(cases).take(many.case)


# -- gates ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reached:
    """What a gate reached before accuracy and sketches are weighed: a situation for each proposal.

    Verdict and reason follow from the situation, so that each is looked up in a table of a few entries.
    """

    situation: np.ndarray
    sketch: bool
    threshold: np.ndarray | float

    @property
    def verdicts(self) -> np.ndarray:
        return self._looked_up(0)

    @property
    def reasons(self) -> np.ndarray:
        return self._looked_up(1)

    def _looked_up(self, which: int) -> np.ndarray:
        table = [_said(reached, unsure, asked, self.sketch)[which] for asked, unsure, reached in _SITUATIONS]
        return np.array(table, dtype=np.int8).take(self.situation)


#: Asked or not, within the accuracy or not, and the verdict reached; numbered in this order.
_SITUATIONS = tuple(product((False, True), (False, True), range(len(VERDICTS))))


def _said(reached: int, unsure: bool, asked: bool, sketch: bool) -> tuple[int, int]:
    """Verdict and reason; what is said is what is decided."""
    if not asked:
        return NOT_ASKED, NOT_ASKED
    if reached == NOT_ASSESSED:
        return NOT_ASSESSED, _MISSING
    if reached == NOTE:
        return NOTE, _NOTED
    if unsure:
        return PERSON, _ACCURACY
    if reached == FAIL and sketch:
        return PERSON, _INDICATIVE
    return reached, {PASS: _HOLDS, PERSON: _ASKS, FAIL: _BREAKS}[reached]


def _reach(gate: Gate, many: Batch) -> _Reached:
    column = many.columns[gate.spec.key]
    threshold = _threshold(gate, column, many)
    facts = [many.layers.get(layer) for layer in gate.spec.layers]
    if any(fact is None for fact in facts):
        reached, unsure = np.full(len(many), NOT_ASSESSED, dtype=np.int8), np.zeros(len(many), dtype=bool)
    elif gate.words:
        reached, unsure = _reached_by_word(gate, column)
    else:
        reached, unsure = _reached_by_number(gate, column, threshold)
    situation = (_asked(gate, many).view(np.int8) * 2 + unsure.view(np.int8)) * len(VERDICTS) + reached
    return _Reached(situation, any(fact is not None and fact.indicative for fact in facts), threshold)


def _threshold(gate: Gate, column: Column, many: Batch) -> np.ndarray | float:
    if gate.words:
        return np.nan
    if gate.threshold is None:
        return column.limit
    limits = [gate.threshold.get(geometry, np.nan) for geometry in GEOMETRIES]
    return limits[0] if len(set(limits)) == 1 else np.array(limits).take(many.geometry)


def _reached_by_word(gate: Gate, column: Column) -> tuple[np.ndarray, np.ndarray]:
    reached = np.full(len(column.uncertain), NOT_ASSESSED, dtype=np.int8)
    for word, verdict in gate.words.items():
        reached[column.says(word)] = VERDICTS.index(verdict)
    return reached, column.uncertain


def _reached_by_number(
    gate: Gate, column: Column, threshold: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    holds = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[gate.operator]
    # Passing is verdict 0.
    reached = (~holds(column.value, threshold)).view(np.int8) * np.int8(VERDICTS.index(gate.otherwise))
    unsure = holds(column.low, threshold) != holds(column.high, threshold)
    if gate.otherwise == "note":
        reached[unsure] = NOTE
    reached[np.isnan(column.value) | np.isnan(threshold)] = NOT_ASSESSED
    return reached, unsure


def _overruled(key: str, many: Batch, verdicts: np.ndarray) -> np.ndarray:
    """The verdicts of a gate, those that a person gave in the place of computed ones."""
    said = many.overruled.get(key)
    if said is None:
        return verdicts
    return np.where(np.isnan(said) | (verdicts == NOT_ASKED), verdicts, said).astype(np.int8)


# -- scores --------------------------------------------------------------------------------


def _given_or_computed(criterion: Scored | Judged, many: Batch) -> np.ndarray:
    """Scores as `_score`, those that a person gave in the place of computed ones."""
    score, said = _score(criterion, many), many.judgements.get(criterion.key)
    if said is None or isinstance(criterion, Judged):
        return score
    return np.where(_asked(criterion, many) & ~np.isnan(said), said, score)


def _score(criterion: Scored | Judged, many: Batch) -> np.ndarray:
    """Scores 0..100; NaN where not asked or not assessed."""
    asked = _asked(criterion, many)
    if isinstance(criterion, Judged):
        given = many.judgements.get(criterion.key, np.full(len(many), np.nan))
        return np.where(asked, given, np.nan)
    if any(layer not in many.layers for layer in criterion.spec.layers):
        return np.full(len(many), np.nan)
    return np.where(asked, apply(criterion.value_function, many.columns[criterion.spec.key]), np.nan)


def apply(function: ValueFunction, column: Column) -> np.ndarray:
    """A value function over a column: scores 0..100, NaN where the value is missing."""
    score = _by_category(function, column) if function.categories else _by_points(function, column.value)
    for name, cap in function.caps.items():
        score = np.where(column.classed(name), np.minimum(score, cap), score)
    return score


def _by_category(function: ValueFunction, column: Column) -> np.ndarray:
    scores = np.full(len(column.value), np.nan)
    for word, score in function.categories.items():
        scores[column.says(word)] = score
    return scores


def _by_points(function: ValueFunction, values: np.ndarray) -> np.ndarray:
    xs, ys = np.array(function.points).T
    if function.scale == "log":
        xs, values = np.log(xs), np.log(np.maximum(values, xs[0]))
    return np.interp(values, xs, ys)


# -- the decision rule ---------------------------------------------------------------------


def _recommend(
    rule: DecisionRule, verdicts: Sequence[np.ndarray], total: np.ndarray, is_proposal: np.ndarray
) -> np.ndarray:
    failed, held_up = np.zeros(len(total), dtype=bool), np.zeros(len(total), dtype=bool)
    for verdict in verdicts:
        failed |= verdict == FAIL
        held_up |= verdict > NOTE
    found = np.full(len(total), DEBATE, dtype=np.int8)
    found[~held_up & (total >= rule.recommended)] = INTEGRATE
    found[failed | (total < rule.debate)] = REJECT
    found[~is_proposal | (np.isnan(total) & ~failed)] = NONE
    return found


# -- results, as stored and shown ----------------------------------------------------------


def score_one(
    criteria: CriteriaSet,
    subject: Subject,
    measures: Mapping[str, Mapping[str, Any] | None],
    layers: Mapping[str, LayerFact],
    given: Mapping[str, Given] | None = None,
) -> Score:
    """One proposal against one set: a batch of one, so every path gives the same numbers."""
    keys = {criterion.spec.key for criterion in (*criteria.gates, *criteria.scored)}
    many = batch([subject], [measures], layers, keys, [given or {}])
    return next(iter(score_many(criteria, many)))


def score_many(criteria: CriteriaSet, many: Batch) -> Iterator[Score]:
    """Every proposal of a batch, in its order, with results in full."""
    evaluation = evaluate(criteria, many)
    rows = [_results_of_gate(evaluation, many, row, gate) for row, gate in enumerate(criteria.gates)]
    rows += [_results_of_weighted(evaluation, many, row, c) for row, c in enumerate(criteria.weighted)]
    keys = [criterion.key for criterion in criteria.criteria]
    totals, coverages = evaluation.total.tolist(), evaluation.coverage.tolist()
    for index, answers in enumerate(zip(*rows, strict=True) if rows else [()] * len(many)):
        if many.given and many.given[index]:
            answers = [_as_given(evaluation, many, index, *pair) for pair in zip(keys, answers, strict=True)]
        yield Score(
            total=None if totals[index] != totals[index] else totals[index],
            coverage=coverages[index],
            recommendation=RECOMMENDATIONS[evaluation.recommendation[index]],
            results={key: answer for key, answer in zip(keys, answers, strict=True) if answer},
        )


def _results_of_gate(
    evaluation: Evaluation, many: Batch, row: int, gate: Gate
) -> list[dict[str, Any] | None]:
    common = {"kind": "gate", "unit": gate.unit} | _measured_on(gate, many)
    return [
        None
        if verdict == NOT_ASKED
        else common
        | _found(answer, many)
        | ({} if threshold != threshold else {"threshold": threshold})
        | {
            "verdict": VERDICTS[verdict],
            "reason": _GATE_REASONS[reason],
        }
        for verdict, reason, threshold, answer in zip(
            evaluation.verdicts[row].tolist(),
            evaluation.reasons[row].tolist(),
            evaluation.thresholds[row].tolist(),
            many.columns[gate.spec.key].answers,
            strict=True,
        )
    ]


def _results_of_weighted(
    evaluation: Evaluation, many: Batch, row: int, criterion: Scored | Judged
) -> list[dict[str, Any] | None]:
    if isinstance(criterion, Judged):
        common = {"kind": "judged", "unit": "", "weight": criterion.weight}
        found: Iterable[dict[str, Any]] = [{"value": None}] * len(many)
        reasons = ("judged", "unjudged")
    else:
        common = {"kind": "scored", "unit": criterion.unit, "weight": criterion.weight}
        common |= _measured_on(criterion, many)
        found = (_found(answer, many) for answer in many.columns[criterion.spec.key].answers)
        reasons = ("scored", "missing")
    return [
        None
        if not asked
        else common
        | answer
        | (
            {"score": None, "share": 0.0, "reason": reasons[1], "verdict": "not_assessed"}
            if score != score
            else {"score": round(score, _TOTAL_DECIMALS), "share": round(share, 4), "reason": reasons[0]}
        )
        for asked, score, share, answer in zip(
            evaluation.asked[row].tolist(),
            evaluation.scores[row].tolist(),
            evaluation.shares[row].tolist(),
            found,
            strict=True,
        )
    ]


def _as_given(
    evaluation: Evaluation, many: Batch, index: int, key: str, result: dict[str, Any] | None
) -> dict[str, Any] | None:
    """A result with what a person said of it: a judgement, or an override beside what was computed."""
    given = many.given[index].get(key)
    # A set may ask by the same key for another kind of answer than the one it was given for.
    if given is None or result is None or (given.verdict is None) == (result["kind"] == "gate"):
        return result
    if result["kind"] == "judged":
        return result | {"judgement": given.told()}
    computed = evaluation.computed[key][index].item()
    if result["kind"] == "gate":
        was = {"verdict": VERDICTS[computed], "reason": result["reason"]}
    else:
        was = {"score": None if computed != computed else round(computed, _TOTAL_DECIMALS)}
    older = not _same_value(given.on_value, result["value"])
    return result | {"reason": "overruled", "computed": was, "override": given.told() | {
        "older": older, **({"on_value": given.on_value} if older else {})}}  # fmt: skip


#: Values that differ by less were measured alike.
_SAME_VALUE = 1e-6


def _same_value(one: float | str | None, other: float | str | None) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= _SAME_VALUE * max(1.0, abs(one), abs(other))
    return one == other


def _measured_on(criterion: Gate | Scored, many: Batch) -> dict[str, Any]:
    on = {"on": POLYGONS} if criterion.spec.may_use_raster else {}
    return _facts_of(criterion.spec.layer, many) | on


def _facts_of(layer: str | None, many: Batch) -> dict[str, Any]:
    fact = many.layers.get(layer) if layer else None
    if fact is None:
        return {"layer": layer} if layer else {}
    return {
        "layer": layer,
        "layer_version": fact.version,
        "indicative": fact.indicative,
        "accuracy_m": fact.accuracy_m,
    }


def _found(answer: Mapping[str, Any], many: Batch) -> dict[str, Any]:
    found = {"value": answer.get("value")}
    if "layer" in answer:
        found |= _facts_of(answer["layer"], many)
    for name, source in (("feature", "feature"), ("feature_name", "name"), ("class", "class"), *_ON):
        if source in answer:
            found[name] = answer[source]
    return found


def results_json(score: Score) -> str:
    """The results of one proposal as the table `score` stores them."""
    return orjson.dumps(score.results).decode()


# -- explanation ---------------------------------------------------------------------------


def explain(
    criterion: Criterion, result: Mapping[str, Any], layer_name: str
) -> list[tuple[str, dict[str, Any]]]:
    """A result in plain sentences: message ids with the facts that fill them.

    Numbers and words are raw; the page formats them for its language before filling them in.
    """
    facts = {
        "value": result.get("value"),
        "limit": result.get("threshold"),
        "layer": layer_name,
        "feature": result.get("feature_name") or "–",
        "accuracy": result.get("accuracy_m"),
        "score": result.get("score"),
    }
    sentences = []
    if isinstance(criterion, (Gate, Scored)) and result.get("value") is not None:
        sentence = criterion.spec.measure.sentence if isinstance(criterion, Gate) else _measured(result, layer_name)
        sentences.append((sentence, facts))
    sentences.append((REASONS[result["reason"]], facts))
    cap = _cap(criterion, result)
    if cap is not None:
        sentences.append((REASONS["capped"], facts | {"cap": cap, "class": result["class"]}))
    return sentences


def _measured(result: Mapping[str, Any], layer_name: str) -> str:
    """The sentence that names of layer and feature what there is to name."""
    if not layer_name:
        return N_("Measured: {value}.")
    return N_("Measured: {value} ({layer}, {feature}).") if result.get("feature_name") else N_(
        "Measured: {value} ({layer})."
    )


def _cap(criterion: Criterion, result: Mapping[str, Any]) -> float | None:
    """The cap that bound this score, if one did."""
    if not isinstance(criterion, Scored) or result.get("score") is None:
        return None
    cap = criterion.value_function.caps.get(result.get("class"))
    return cap if cap is not None and result["score"] == cap < 100 else None
