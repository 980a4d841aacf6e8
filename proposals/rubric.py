"""A score and its evidence as the browser shows them while somebody draws: words of one language and numbers. Pure.

Every text is set as text there, never as HTML. Numbers stand beside their words, as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from masterplan.formats import number, quantity
from masterplan.language import N_, translator
from proposals.criteria import CriteriaSet, Gate, Scored
from proposals.evidence import EVIDENCE
from proposals.explaining import RECOMMENDATION_WORDS, VERDICT_WORDS, Result, Teller
from proposals.scoring import Score

#: Verdicts, the ones to act on first.
ORDER = ("fail", "person", "not_assessed", "note", "pass")

#: What the panel itself says; the rest comes with each answer.
PANEL_WORDS = {
    "title": N_("Provisional result"),
    "theme": N_("Theme"),
    "waiting": N_("Measuring…"),
    "away": N_("The result cannot be worked out now. Go on drawing: it is tried again by itself."),
    "hide": N_("Hide the result"),
    "open": N_("Show the result"),
    "gates": N_("Gates"),
    "passed": N_("Gates passed: {count}"),
    "criteria": N_("Scored criteria"),
    "show": N_("Show on the map"),
    "drawn": N_("Shown on the map"),
    "before": N_("Nothing is submitted yet. What you declare in the form is added to it."),
    "line": N_("Add at least two points."),
    "area": N_("Add at least three points."),
}


class Row(Protocol):
    """A row of evidence (`proposals.live.Drawn`)."""

    role: str
    feature: str | None
    name_ro: str | None
    name_en: str | None
    amount: float | None
    unit: str
    geometry: Mapping[str, Any]


def can_be_shown(criterion: object) -> bool:
    """Whether something can be drawn of what this criterion measures."""
    return isinstance(criterion, (Gate, Scored)) and criterion.spec.function in EVIDENCE


def told(criteria: CriteriaSet, kind: str, score: Score, telling: Teller) -> dict[str, Any]:
    """Total, gates and scored criteria of a geometry not yet submitted, in the words of `telling`.

    `summary` is what is said first: the gates to act on and the total.
    """
    language, results = telling.language, score.results
    translate = translator(language)
    gates = sorted(
        (gate for gate in criteria.gates if gate.key in results),
        key=lambda gate: ORDER.index(results[gate.key]["verdict"]),
    )
    said = {gate.key: telling.found(gate, results[gate.key]) for gate in gates}
    to_act = [gate for gate in gates if results[gate.key]["verdict"] in ("fail", "person")]
    total = "–" if score.total is None else number(score.total, 1, language)
    counted = translate(N_("{count} gates to look at") if len(to_act) != 1 else N_("one gate to look at"))
    return {
        "set": criteria.version,
        "total": score.total,
        "total_words": translate(N_("{total} of 100 points")).format(total=total),
        "coverage": score.coverage,
        "outcome": telling.outcome(score.total, score.coverage, score.recommendation),
        "recommendation": None if score.recommendation is None else translate(
            RECOMMENDATION_WORDS[score.recommendation]),
        "gates_words": counted.format(count=len(to_act)) if to_act else translate(N_("no gate stands in the way")),
        "first": f"{to_act[0].question[language]} {said[to_act[0].key]}" if to_act else "",
        "gates": [
            {
                "key": gate.key,
                "verdict": results[gate.key]["verdict"],
                "word": translate(VERDICT_WORDS[results[gate.key]["verdict"]]),
                "question": gate.question[language],
                "said": said[gate.key],
                "remedy": gate.remedy[language] if results[gate.key]["verdict"] in ("fail", "person") else "",
                "shown": can_be_shown(gate),
                **_measured(results[gate.key]),
            }
            for gate in gates
        ],
        "criteria": [
            {
                "key": criterion.key,
                "question": criterion.question[language],
                "said": telling.found(criterion, results[criterion.key]),
                "score": results[criterion.key].get("score"),
                "points": _points(results[criterion.key], language, translate),
                "shown": can_be_shown(criterion),
                **_measured(results[criterion.key]),
            }
            for criterion in criteria.weighted
            if criterion.key in results
        ],
    }  # fmt: skip


def _measured(result: Result) -> dict[str, Any]:
    return {"value": result.get("value"), "layer": result.get("layer"), "layer_version": result.get("layer_version")}


def _points(result: Result, language: str, translate: Any) -> str:
    if result.get("score") is None:
        return "–"
    return translate(N_("{score} points")).format(score=number(result["score"], 0, language))


# -- evidence ------------------------------------------------------------------------------

_NOTHING = N_("There is nothing to draw: no feature of the layer is met here.")
_CUT = N_("More was found than is drawn.")


def evidence_told(criterion: Gate | Scored, rows: tuple[Row, ...], complete: bool, telling: Teller) -> dict[str, Any]:
    """Evidence as a GeoJSON FeatureCollection (EPSG:4326) whose features have a `role` and a `label`.

    `title` says which criterion it is of, `notes` what the drawing leaves unsaid.
    """
    translate = translator(telling.language)
    notes = [] if rows else [translate(_NOTHING)]
    notes += [] if complete else [translate(_CUT)]
    return {
        "type": "FeatureCollection",
        "title": criterion.question[telling.language],
        "notes": notes,
        "features": [
            {"type": "Feature", "geometry": row.geometry,
             "properties": {"role": row.role, "label": _label(row, telling.language, translate)}}
            for row in rows
        ],
    }  # fmt: skip


def _label(row: Row, language: str, translate: Any) -> str:
    name = (row.name_en if language == "en" else None) or row.name_ro or row.feature or ""
    unit = translate(row.unit) if row.unit else ""
    amount = "" if row.amount is None else quantity(row.amount, unit, language)
    facts = {"name": name, "amount": amount}
    return {
        "part": " · ".join(filter(None, (name, amount))),
        "outside": translate(N_("outside: {amount}")).format(**facts),
        "line": amount,
        "met": translate(N_("joins: {name}")).format(name=name or translate(N_("a line proposed by another UAT"))),
        "unmet": translate(N_("does not join; nearest: {name}, {amount}")).format(
            name=name or translate(N_("a line proposed by another UAT")), amount=amount),
        "counted": amount,
        "reach": translate(N_("within {amount}")).format(**facts),
        "feature": " · ".join(filter(None, (name, amount))),
    }[row.role]  # fmt: skip
