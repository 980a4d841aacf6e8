"""Robust ranks of measured proposals, theme by theme, as rows by tracking code. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from proposals.criteria import THEMES, CriteriaSet, measure_specs, weights_of
from proposals.ranking import CONCENTRATION, SAMPLES, Robust, draw, robust, spread
from proposals.replaying import Everything
from proposals.scoring import RECOMMENDATIONS, Evaluation, evaluate


@dataclass(frozen=True)
class RankTable:
    """Every ranked submission under one set, with how the weights were drawn; `ties` are tracking codes."""

    criteria: str
    samples: int
    seed: int
    concentration: float
    top: int
    stakeholders: Mapping[str, Mapping[str, str]]
    themes: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray, Robust]]

    @property
    def ties(self) -> list[list[str]]:
        return [
            [str(receipts[member]) for member in tie]
            for receipts, _, _, found in self.themes.values()
            for tie in found.ties
        ]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each, the best of each theme first; those without a total come last and have no rank."""
        rows = []
        for theme, (receipts, total, says, found) in self.themes.items():
            order = sorted(range(len(receipts)), key=lambda n: (found.rank[n] == 0, found.rank[n], receipts[n]))
            rows += [self._row(theme, receipts, total, says, found, n) for n in order]
        return rows

    def _row(
        self, theme: str, receipts: np.ndarray, total: np.ndarray, says: np.ndarray, found: Robust, n: int
    ) -> dict[str, Any]:
        known = bool(found.rank[n])
        return {
            "theme": theme, "rank": int(found.rank[n]) or None, "receipt": str(receipts[n]),
            "score": float(total[n]) if known else None, "low": int(found.low[n]) or None,
            "high": int(found.high[n]) or None,
            f"top_{self.top}": round(float(found.top[n]), 4) if known else None,
            "ahead_of_next": None if np.isnan(found.ahead[n]) else round(float(found.ahead[n]), 4),
            "recommendation": RECOMMENDATIONS[says[n]],
            **{f"rank_{key}": int(ranks[n]) or None for key, ranks in found.groups.items()},
        }  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """Everything as JSON holds it, with the spread of the weights stated."""
        return {
            "criteria_set": self.criteria, "samples": self.samples, "seed": self.seed, "top": self.top,
            "distribution": "Dirichlet", "concentration": self.concentration,
            "deviation_of_a_weight_of_10_percent": round(100 * spread(0.1, self.concentration), 2),
            "interval_percent": [5, 95], "stakeholders": dict(self.stakeholders), "proposals": self.rows(),
            "ties": self.ties,
        }  # fmt: skip


def rank_table(
    everything: Everything,
    criteria: CriteriaSet,
    samples: int = SAMPLES,
    seed: int = 1,
    concentration: float = CONCENTRATION,
    top: int = 10,
) -> RankTable:
    """Rank everything given, within each theme, under this set and under weights drawn around its own.

    Raises
    ------
    MasterplanError
        When one theme has too many to rank together.
    """
    scores, total, says = _scored(everything, criteria)
    own = np.array(weights_of(criteria))
    drawn = draw(own, samples, seed, concentration)
    groups = {s.key: np.array(weights_of(criteria, s)) for s in criteria.stakeholders}
    themes = {}
    for number, theme in enumerate(THEMES):
        rows = np.flatnonzero(everything.theme == number)
        if len(rows):
            found = robust(scores[rows], own, drawn, top, groups)
            themes[theme] = (everything.receipts[rows], total[rows], says[rows], found)
    names = {s.key: s.name for s in criteria.stakeholders}
    return RankTable(criteria.version, samples, seed, concentration, top, names, themes)


def _scored(everything: Everything, criteria: CriteriaSet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (rows × weighted criteria), totals and recommendations under one set."""
    keys, size = measure_specs([criteria]), len(everything)
    scores = np.full((size, len(criteria.weighted)), np.nan)
    total, says = np.full(size, np.nan), np.zeros(size, dtype=np.int8)
    for alike in everything.alike:
        found: Evaluation = evaluate(criteria, everything.batch(alike.rows, alike.layers, keys))
        scores[alike.rows], total[alike.rows] = found.scores.T, found.total
        says[alike.rows] = found.recommendation
    return scores, total, says
