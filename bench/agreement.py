"""Whether geopandas finds the same facts as the measures stored in the database."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from typing import Any

import pandas as pd
from sqlalchemy import Connection, text

_STORED = text("SELECT proposal_id, measures FROM masterplan.measurement WHERE proposal_id = ANY(:ids)")
#: Both round and cut edges in their own order.
_RELATIVE, _ABSOLUTE = 1e-4, 0.01


@dataclass(frozen=True)
class Agreement:
    """How many facts were compared, and those that differ: (proposal, measure, ours, theirs)."""

    compared: int
    different: list[tuple[int, str, Any, Any]]

    @property
    def words(self) -> str:
        share = 100 * (1 - len(self.different) / max(self.compared, 1))
        return f"{self.compared:,} facts compared, {len(self.different):,} differ ({share:.2f} % agree)"


def agreement(connection: Connection, facts: pd.DataFrame) -> Agreement:
    """Compare facts (a row a proposal, a column a measure) with what is stored."""
    ids = [int(number) for number in facts.index]
    stored = {row.proposal_id: row.measures for row in connection.execute(_STORED, {"ids": ids})}
    compared, different = 0, []
    for key in facts.columns:
        for number, theirs in facts[key].items():
            ours = stored[number].get(key, {}).get("value")
            compared += 1
            if not _same(ours, None if pd.isna(theirs) else theirs):
                different.append((number, key, ours, theirs))
    return Agreement(compared, different)


def _same(ours: Any, theirs: Any) -> bool:
    if ours is None or theirs is None or isinstance(ours, str) or isinstance(theirs, str):
        return ours == theirs
    return isclose(ours, theirs, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
