"""Why did it change? Two results of one proposal, criterion by criterion. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from masterplan.language import N_

Result = Mapping[str, Any]

#: Why a criterion answers otherwise, the ones that explain the others first.
CAUSES = {
    "asked": N_("it is asked now and was not before"),
    "not_asked": N_("it is not asked any more"),
    "override": N_("a planner overruled what was computed, or took that back"),
    "value": N_("what was measured is another"),
    "layer": N_("the layer has another version"),
    "on": N_("it was measured on the raster instead of the polygons, or the other way round"),
    "official": N_("the layer was an indicative sketch and is official, or the other way round"),
    "limit": N_("the limit is another"),
    "value_function": N_("the same value gives other points"),
    "judged": N_("a planner judged it, or judged it again"),
    "weight": N_("the weight is another"),
    "share": N_("the same weight is another share of the whole"),
    "verdict": N_("the gate answers otherwise"),
}


@dataclass(frozen=True)
class Change:
    """What became of one criterion; `before` or `after` is None where it is not asked.

    `causes` are keys of CAUSES. `points` is by how much its contribution to the total changed.
    """

    key: str
    before: Result | None
    after: Result | None
    causes: tuple[str, ...]
    points: float


def compare(before: Mapping[str, Result], after: Mapping[str, Result]) -> list[Change]:
    """Every criterion that differs between two results of one proposal, as scoring gives them.

    Gates come first, then what moved the total most. Nothing that differs only in its layer's version
    without another value is left out: that is told too.
    """
    changes = [
        change
        for key in dict.fromkeys((*before, *after))
        if (change := _change(key, before.get(key), after.get(key))).causes
    ]
    return sorted(changes, key=lambda change: (_kind(change) != "gate", -abs(change.points)))


def _kind(change: Change) -> str:
    return (change.after or change.before or {})["kind"]


def contribution(result: Result | None) -> float:
    """The points of the total that come from this criterion; 0 for gates and for what is not assessed."""
    return result["share"] * result["score"] if result and result.get("score") is not None else 0.0


def _change(key: str, before: Result | None, after: Result | None) -> Change:
    points = contribution(after) - contribution(before)
    if before is None or after is None:
        return Change(key, before, after, ("asked",) if before is None else ("not_asked",), points)
    return Change(key, before, after, tuple(_causes(before, after)), points)


def _causes(before: Result, after: Result) -> list[str]:
    def differs(*names: str) -> bool:
        return any(before.get(name) != after.get(name) for name in names)

    same_value = not differs("value", "class")
    judged = after["kind"] == "judged"
    found = {
        "override": _given_at(before, "override") != _given_at(after, "override"),
        "value": not same_value,
        "layer": differs("layer", "layer_version"),
        "on": differs("on"),
        "official": differs("indicative"),
        "limit": differs("threshold") and same_value,
        "value_function": not judged and same_value and _computed(before, "score") != _computed(after, "score"),
        "judged": judged and (differs("score") or _given_at(before, "judgement") != _given_at(after, "judgement")),
        "weight": differs("weight"),
        "share": differs("share") and not differs("weight"),
        "verdict": after["kind"] == "gate" and differs("verdict"),
    }
    return [cause for cause in CAUSES if found.get(cause)]


def _given_at(result: Result, what: str) -> str | None:
    """When a person gave it; None where nobody did."""
    return result[what]["at"] if what in result else None


def _computed(result: Result, name: str) -> Any:
    """What was computed, whether or not a planner overruled it."""
    return result.get("computed", result).get(name)
