"""Replay: a criteria set applied to every measured proposal at once, without measuring again. Pure.

Measures are stored apart from scores, so another weight, threshold or value function is arithmetic on
arrays. What a set asks that was never measured is named (`not_measured`) and not assessed meanwhile:
it is nowhere taken for zero. `proposals.replay_data` fills the arrays from the database.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from masterplan.errors import MasterplanError
from masterplan.language import N_
from proposals.criteria import THEMES, CriteriaSet, Gate, Judged, Scored, measure_specs
from proposals.measures import GEOMETRIES
from proposals.scoring import NOT_ASKED, PASS, RECOMMENDATIONS, VERDICTS, Batch, Column, LayerFact, decide

#: A verdict of a gate that a proposal is not asked, as it is written.
NOT_ASKED_WORD = "not_asked"


class StoredColumn(Column):
    """One measure over many proposals, held as arrays; NaN, or a code below zero, where there is no answer.

    `words` and `classes` say what the codes mean. An array that is None is all missing.
    """

    def __init__(
        self,
        value: np.ndarray,
        low: np.ndarray | None = None,
        high: np.ndarray | None = None,
        limit: np.ndarray | None = None,
        words: Sequence[str] = (),
        word_codes: np.ndarray | None = None,
        uncertain: np.ndarray | None = None,
        classes: Sequence[str] = (),
        class_codes: np.ndarray | None = None,
    ) -> None:
        size = len(value)
        self.value = value
        self.low = value if low is None else low
        self.high = value if high is None else high
        self.limit = np.full(size, np.nan) if limit is None else limit
        self.uncertain = np.zeros(size, dtype=bool) if uncertain is None else uncertain
        self._words, self._word_codes = tuple(words), word_codes
        self._classes, self._class_codes = tuple(classes), class_codes

    def says(self, word: str) -> np.ndarray:
        return self._coded(word, self._words, self._word_codes)

    def classed(self, name: str) -> np.ndarray:
        return self._coded(name, self._classes, self._class_codes)

    def _coded(self, word: str, words: tuple[str, ...], codes: np.ndarray | None) -> np.ndarray:
        if codes is None or word not in words:
            return np.zeros(len(self.value), dtype=bool)
        return codes == words.index(word)

    @cached_property
    def answered(self) -> np.ndarray:
        """Where the measure answered with a value."""
        return ~np.isnan(self.value) if self._word_codes is None else self._word_codes >= 0

    def part(self, rows: slice | np.ndarray) -> StoredColumn:
        """The same of some rows; of a slice without copying."""

        def cut(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else array[rows]

        return StoredColumn(
            self.value[rows], self.low[rows], self.high[rows], self.limit[rows], self._words,
            cut(self._word_codes), self.uncertain[rows], self._classes, cut(self._class_codes),
        )  # fmt: skip


@dataclass(frozen=True)
class Alike:
    """Rows that stand together: judged by one set and measured on the same layer versions."""

    rows: slice
    criteria_set: str
    layers: Mapping[str, LayerFact]


@dataclass(frozen=True)
class Asked:
    """A stored set asks for a measure of these themes and kinds of geometry since `since` (seconds)."""

    themes: frozenset[str]
    geometries: frozenset[str]
    since: float


@dataclass(frozen=True)
class Everything:
    """Every measured proposal as arrays; row *i* of each is one proposal, sorted into `alike`.

    `theme` and `geometry` are positions in THEMES and GEOMETRIES, `measured_at` seconds. `columns` holds
    each stored measure by its key; `asked` says who asked for it, and since when. `judgements` and
    `overruled` hold what people gave criteria, as a `Batch` does.
    """

    receipts: np.ndarray
    theme: np.ndarray
    geometry: np.ndarray
    is_proposal: np.ndarray
    measured_at: np.ndarray
    alike: tuple[Alike, ...]
    columns: Mapping[str, StoredColumn]
    asked: Mapping[str, tuple[Asked, ...]] = field(default_factory=dict)
    judgements: Mapping[str, np.ndarray] = field(default_factory=dict)
    overruled: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.theme)

    def only(self, wanted: np.ndarray) -> Everything:
        """The same of the proposals (not observations) among `wanted` rows (a mask), in their order."""
        kept = wanted & self.is_proposal
        ends = np.concatenate(([0], np.cumsum(kept)))
        alike = tuple(
            dataclasses.replace(one, rows=slice(int(ends[one.rows.start]), int(ends[one.rows.stop])))
            for one in self.alike
        )
        return dataclasses.replace(
            self, receipts=self.receipts[kept], theme=self.theme[kept], geometry=self.geometry[kept],
            is_proposal=self.is_proposal[kept], measured_at=self.measured_at[kept], alike=alike,
            columns={key: column.part(kept) for key, column in self.columns.items()},
            judgements={key: points[kept] for key, points in self.judgements.items()},
            overruled={key: codes[kept] for key, codes in self.overruled.items()},
        )  # fmt: skip

    def batch(self, rows: slice, layers: Mapping[str, LayerFact], keys: Iterable[str]) -> Batch:
        """Some rows as scoring takes them; a measure that is not stored has no answers."""
        size = len(self.theme[rows])
        nothing = StoredColumn(np.full(size, np.nan))
        return Batch(
            self.theme[rows], self.geometry[rows], self.is_proposal[rows],
            {key: self.columns[key].part(rows) if key in self.columns else nothing for key in keys},
            layers,
            {key: points[rows] for key, points in self.judgements.items()},
            {key: codes[rows] for key, codes in self.overruled.items()},
        )  # fmt: skip


# -- one set over everything ---------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """How every proposal stands: its total (NaN: none), recommendation, verdict of each gate, rank (0: none).

    Codes as in `proposals.scoring`. Ranks are within a theme and of proposals alone; equal totals share one.
    """

    total: np.ndarray
    recommendation: np.ndarray
    verdicts: Mapping[str, np.ndarray]
    rank: np.ndarray


def standing(everything: Everything, sets: Mapping[str, CriteriaSet]) -> Standing:
    """How everything stands, each judged by its own set."""
    return _standing(everything, [(alike, sets[alike.criteria_set]) for alike in everything.alike])


def standing_under(everything: Everything, criteria: CriteriaSet) -> Standing:
    """How everything would stand if this set judged all of it."""
    return _standing(everything, [(alike, criteria) for alike in everything.alike])


def _standing(everything: Everything, judged: Sequence[tuple[Alike, CriteriaSet]]) -> Standing:
    size = len(everything)
    total, recommendation = np.full(size, np.nan), np.zeros(size, dtype=np.int8)
    gates = dict.fromkeys(gate.key for _, criteria in judged for gate in criteria.gates)
    verdicts = {key: np.full(size, NOT_ASKED, dtype=np.int8) for key in gates}
    for alike, criteria in judged:
        found = decide(criteria, everything.batch(alike.rows, alike.layers, measure_specs([criteria])))
        total[alike.rows], recommendation[alike.rows] = found.total, found.recommendation
        for gate, verdict in zip(criteria.gates, found.verdicts, strict=True):
            verdicts[gate.key][alike.rows] = verdict
    return Standing(total, recommendation, verdicts, ranks(total, everything.theme, everything.is_proposal))


def ranks(total: np.ndarray, theme: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """The rank within its theme of each row that is ranked and has a total, from 1; else 0. Equals share one."""
    found = np.zeros(len(total), dtype=np.int32)
    counts = ranked & ~np.isnan(total)
    for number in range(len(THEMES)):
        rows = np.flatnonzero(counts & (theme == number))
        descending = np.sort(-total[rows])
        found[rows] = 1 + np.searchsorted(descending, -total[rows])
    return found


# -- what would flip -----------------------------------------------------------------------


@dataclass(frozen=True)
class GateFlip:
    receipt: str
    gate: str
    before: str
    after: str


@dataclass(frozen=True)
class RecommendationFlip:
    receipt: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class RankFlip:
    """The rank within the theme; None where it has none."""

    receipt: str
    theme: str
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Flips:
    """What differs between two standings: positions of rows, and from them the flips by receipt.

    A gate that is not asked stands in nobody's way: not asked and passed count as the same.
    """

    everything: Everything
    before: Standing
    after: Standing
    moved: np.ndarray
    gates: Mapping[str, np.ndarray]
    recommendations: np.ndarray
    ranks: np.ndarray

    @property
    def gate_count(self) -> int:
        return sum(map(len, self.gates.values()))

    @property
    def shift(self) -> np.ndarray:
        """By how many points each moved score moved; NaN where one of the two has no total."""
        return self.after.total[self.moved] - self.before.total[self.moved]

    def gate_flips(self) -> Iterator[GateFlip]:
        for key, rows in self.gates.items():
            before, after = (
                each.verdicts[key][rows] if key in each.verdicts else np.full(len(rows), NOT_ASKED)
                for each in (self.before, self.after)
            )
            for receipt, first, second in self._rows(rows, before, after):
                yield GateFlip(receipt, key, _verdict(first), _verdict(second))

    def recommendation_flips(self) -> Iterator[RecommendationFlip]:
        rows = self.recommendations
        for receipt, first, second in self._rows(
            rows, self.before.recommendation[rows], self.after.recommendation[rows]
        ):
            yield RecommendationFlip(receipt, RECOMMENDATIONS[first], RECOMMENDATIONS[second])

    def rank_flips(self) -> Iterator[RankFlip]:
        rows = self.ranks
        themes = self.everything.theme[rows].tolist()
        found = self._rows(rows, self.before.rank[rows], self.after.rank[rows])
        for theme, (receipt, first, second) in zip(themes, found, strict=True):
            yield RankFlip(receipt, THEMES[theme], first or None, second or None)

    def _rows(
        self, rows: np.ndarray, before: np.ndarray, after: np.ndarray
    ) -> Iterator[tuple[str, int, int]]:
        return zip(self.everything.receipts[rows].tolist(), before.tolist(), after.tolist(), strict=True)


def _verdict(code: int) -> str:
    return NOT_ASKED_WORD if code == NOT_ASKED else VERDICTS[code]


def flips(everything: Everything, before: Standing, after: Standing) -> Flips:
    """Every score, gate, recommendation and rank that differs between two standings."""
    gates = {}
    for key in dict.fromkeys((*before.verdicts, *after.verdicts)):
        first, second = (_obstacle(each.verdicts.get(key), len(everything)) for each in (before, after))
        rows = np.flatnonzero(first != second)
        if len(rows):
            gates[key] = rows
    moved = (before.total != after.total) & ~(np.isnan(before.total) & np.isnan(after.total))
    return Flips(
        everything, before, after, np.flatnonzero(moved), gates,
        np.flatnonzero(before.recommendation != after.recommendation),
        np.flatnonzero(before.rank != after.rank),
    )  # fmt: skip


def _obstacle(verdicts: np.ndarray | None, size: int) -> np.ndarray:
    if verdicts is None:
        return np.zeros(size, dtype=np.int8)
    return np.maximum(verdicts, PASS)


# -- what a set asks and nobody measured ---------------------------------------------------


@dataclass(frozen=True)
class NotMeasured:
    """A measure that a set asks for, the criteria that want it, and of how many proposals it is not stored."""

    measure: str
    criteria: tuple[str, ...]
    proposals: int


def not_measured(everything: Everything, criteria: CriteriaSet) -> list[NotMeasured]:
    """The measures that this set asks for and that are not stored, each with how many proposals lack it.

    An answer that is missing although a stored set asked for it before the proposal was measured is a
    fact that is not there, and not meant here.
    """
    wanted: dict[str, list[Gate | Scored]] = {}
    for criterion in (*criteria.gates, *criteria.scored):
        wanted.setdefault(criterion.spec.key, []).append(criterion)
    found = []
    for key, members in wanted.items():
        lacking = np.zeros(len(everything), dtype=bool)
        for criterion in members:
            lacking |= _among(everything, criterion.themes, criterion.geometries)
        if key in everything.columns:
            lacking &= ~everything.columns[key].answered
        for asked in everything.asked.get(key, ()):
            lacking &= ~(
                _among(everything, asked.themes, asked.geometries) & (everything.measured_at >= asked.since)
            )
        if lacking.any():
            found.append(NotMeasured(key, tuple(c.key for c in members), int(lacking.sum())))
    return found


def _among(everything: Everything, themes: Iterable[str], geometries: Iterable[str]) -> np.ndarray:
    known_themes, known_geometries = set(themes), set(geometries)
    theme = np.array([name in known_themes for name in THEMES])
    geometry = np.array([name in known_geometries for name in GEOMETRIES])
    return theme[everything.theme] & geometry[everything.geometry]


# -- one number changed --------------------------------------------------------------------

_NO_NUMBER = N_("The criterion {name} has no such number to change.")
_BAD_NUMBER = N_("{value} is not possible here: weights are above zero, scores go from 0 to 100, and the values of"
                 " a value function rise.")  # fmt: skip


def with_weight(criteria: CriteriaSet, key: str, weight: float) -> CriteriaSet:
    """The set with another weight of one scored or judged criterion.

    Raises
    ------
    MasterplanError
        When the criterion has no weight, or the weight is not above zero.
    """
    criterion = criteria.criterion(key)
    if not isinstance(criterion, Scored | Judged):
        raise MasterplanError(_NO_NUMBER, name=key)
    if not weight > 0:
        raise MasterplanError(_BAD_NUMBER, value=weight)
    return _with(criteria, dataclasses.replace(criterion, weight=float(weight)))


def with_threshold(
    criteria: CriteriaSet, key: str, threshold: float, geometries: Iterable[str] = GEOMETRIES
) -> CriteriaSet:
    """The set with another threshold of one gate, for these kinds of geometry.

    Raises
    ------
    MasterplanError
        When the criterion is no gate with a threshold of its own.
    """
    gate = criteria.criterion(key)
    if not isinstance(gate, Gate) or gate.threshold is None:
        raise MasterplanError(_NO_NUMBER, name=key)
    changed = {name: float(threshold) for name in geometries if name in gate.threshold}
    return _with(criteria, dataclasses.replace(gate, threshold={**gate.threshold, **changed}))


def with_point(criteria: CriteriaSet, key: str, position: int, value: float, score: float) -> CriteriaSet:
    """The set with another point of one value function.

    Raises
    ------
    MasterplanError
        When the criterion has no such point, or the value function would not be one any more.
    """
    criterion = criteria.criterion(key)
    if not isinstance(criterion, Scored) or not 0 <= position < len(criterion.value_function.points):
        raise MasterplanError(_NO_NUMBER, name=key)
    function = criterion.value_function
    points = list(function.points)
    points[position] = (float(value), float(score))
    values = [x for x, _ in points]
    rising = all(after > before for before, after in zip(values, values[1:], strict=False))
    if not rising or not 0 <= score <= 100 or function.scale == "log" and value <= 0:
        raise MasterplanError(_BAD_NUMBER, value=f"{value:g} → {score:g}")
    changed = dataclasses.replace(function, points=tuple(points))
    return _with(criteria, dataclasses.replace(criterion, value_function=changed))


def _with(criteria: CriteriaSet, changed: Gate | Scored | Judged) -> CriteriaSet:
    def among(members: tuple) -> tuple:
        return tuple(changed if member.key == changed.key else member for member in members)

    return dataclasses.replace(
        criteria, gates=among(criteria.gates), scored=among(criteria.scored), judged=among(criteria.judged)
    )
