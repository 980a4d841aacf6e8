"""Outlines: what the features of a layer that a filter keeps cover together, kept for measures to meet.

Dissolving features and moving their edges by the layer's accuracy costs far more than meeting the
result, and it is the same for every proposal. The database makes and keeps them
(`masterplan.make_outline`), one for each layer version and filter, when a measure first asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, text

from proposals.criteria import MeasureSpec
from proposals.measures import Binds


@dataclass(frozen=True, order=True)
class Outline:
    """A layer and the filter of a criterion, as JSON with sorted keys."""

    layer: str
    filter: str


def outlines_of(specs: Iterable[MeasureSpec]) -> list[Outline]:
    """The outlines that these measures read."""
    return sorted({
        Outline(
            spec.parameters["layer"],
            orjson.dumps(dict(spec.parameters.get("where") or {}), option=orjson.OPT_SORT_KEYS).decode(),
        )
        for spec in specs
        if spec.measure.outlined
    })  # fmt: skip


def _missing(bind: Binds, outlines: list[Outline]) -> str:
    """FROM … WHERE … of those outlines `o` whose layer is there and that are not kept for its current version."""
    layers = bind([outline.layer for outline in outlines], "text[]")
    filters = bind([outline.filter for outline in outlines], "text[]")
    return f"""unnest({layers}, {filters}) AS o(layer, filter) JOIN masterplan.layer l ON l.id = o.layer
        WHERE NOT EXISTS (SELECT FROM masterplan.current_outline c
                          WHERE c.layer_id = o.layer AND c.filter = o.filter::jsonb)"""


def all_kept(bind: Binds, specs: Iterable[MeasureSpec]) -> str:
    """A boolean expression: whether every outline that these measures read is kept."""
    return f"NOT EXISTS (SELECT FROM {_missing(bind, outlines_of(specs))})"


def keep(connection: Connection, specs: Iterable[MeasureSpec]) -> None:
    """Have the database make the outlines of these measures that it does not keep yet.

    In one order: two who ask at the same moment then wait for each other instead of blocking each other.
    """
    bind = Binds()
    missing = _missing(bind, outlines_of(specs))
    connection.execute(text(
        "SELECT masterplan.make_outline(o.layer, o.filter::jsonb)"
        f" FROM (SELECT o.layer, o.filter FROM {missing} ORDER BY o.layer, o.filter) o"
    ), bind.values)  # fmt: skip
