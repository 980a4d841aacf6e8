"""Each result in one plain sentence, in both languages, made from the data. Pure.

A sentence says the question, the value with its unit, the limit or the piece of the value function that
was met, the layer with its version and date, and what the criterion adds to the total.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from masterplan.formats import day, number, quantity
from masterplan.language import N_, translator
from proposals.comparing import CAUSES, Change, contribution
from proposals.criteria import CriteriaSet, Gate, Judged, Scored
from proposals.scoring import REASONS, explain

Result = Mapping[str, Any]

#: What measures answer in words, and the classes that may cap a score.
MEASURED_WORDS = {
    "inside": N_("inside"),
    "straddles": N_("across the edge"),
    "outside": N_("outside"),
    "underused": N_("underused land inside the intravilan"),
    "intravilan": N_("inside the intravilan"),
    "adjoining": N_("outside the intravilan, adjoining it"),
    "isolated": N_("outside the intravilan, apart from it"),
    "not_required": N_("not required"),
    "attached": N_("attached"),
    "missing": N_("missing"),
    "fit": N_("the use fits the recommended mix"),
    "misfit": N_("the use does not fit the recommended mix"),
    "undeclared": N_("the use was not declared"),
    "declared": N_("only declared, without a calculation"),
    "calculation": N_("with a calculation"),
    "verified": N_("verified"),
}
VERDICT_WORDS = {
    "pass": N_("Passed"),
    "note": N_("Passed, with a note"),
    "person": N_("Needs a person"),
    "fail": N_("Failed"),
    "not_assessed": N_("Not assessed"),
    "not_asked": N_("Not asked"),
}
RECOMMENDATION_WORDS = {
    "integrate": N_("recommended for integration"),
    "debate": N_("for debate or partly"),
    "reject": N_("recommended for rejection"),
}
#: Who judged or overruled, by role.
ROLE_WORDS = {
    "planner": N_("a planner"),
    "administrator": N_("an administrator"),
    "system": N_("the team, on the server"),
}
_BY_RASTER = {
    "raster": N_("by the layer's raster, in cells of {cell} m"),
    "polygons": N_("by the layer's polygons"),
    "missing": N_("by the layer's polygons, since its raster is missing on the server"),
    "changed": N_("by the layer's polygons, since its raster on the server is not the one they were made with"),
    "beyond": N_("by the layer's polygons, since its raster does not reach here"),
}
_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥"}
#: A sentence of a measure that writes the unit itself.
UNIT_WRITTEN = re.compile(r"\{(value|limit)\} (%|m²|m|residents)(?!\w)")


def measured_on(result: Result, language: str) -> str | None:
    """Whether a raster or polygons were measured on, and why not the raster; None where only polygons could be."""
    if "on" not in result:
        return None
    said = translator(language)(_BY_RASTER[result.get("why", result["on"])])
    cell = result.get("raster", {}).get("cell_m")
    return said.format(cell="" if cell is None else number(cell, 0 if float(cell).is_integer() else 1, language))


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}" + ("" if words.endswith(".") else ".")


@dataclass(frozen=True)
class Teller:
    """Tells results in one language ("ro", "en"); knows what layers are called and the date of each version."""

    language: str
    layer_names: Mapping[str, str]
    layer_dates: Mapping[tuple[str, int], date] = field(default_factory=dict)

    @property
    def _(self) -> Callable[[str], str]:
        return translator(self.language)

    # -- a whole result

    def sentences(self, criteria: CriteriaSet, results: Mapping[str, Result]) -> list[str]:
        """One sentence for each criterion that was asked, gates first."""
        return [self.sentence(c, results[c.key]) for c in criteria.criteria if c.key in results]

    def outcome(self, total: float | None, coverage: float, recommendation: str | None) -> str:
        """The total, what it rests on, and the recommendation."""
        if total is None:
            return self._(N_("Nothing could be scored."))
        percent = number(100 * coverage, 0, self.language)
        said = self._(N_("{total} points of 100, assessed on {percent} % of the weight")).format(
            total=number(total, 1, self.language), percent=percent
        )
        return f"{said}: {self._(RECOMMENDATION_WORDS[recommendation])}." if recommendation else f"{said}."

    def overruled(self, results: Mapping[str, Result]) -> str:
        """That what a planner gave counts in the total in the place of what was computed; "" where nobody did."""
        number_of = sum("override" in result for result in results.values())
        if not number_of:
            return ""
        said = N_("One result was overruled by the team: what was given counts.") if number_of == 1 else N_(
            "Results overruled by the team: {count}; what was given counts.")  # fmt: skip
        return self._(said).format(count=number_of)

    # -- one criterion

    def sentence(self, criterion: Gate | Scored | Judged, result: Result) -> str:
        """One result in one sentence after its question."""
        parts = self._gate(criterion, result) if isinstance(criterion, Gate) else self._scored(criterion, result)
        on = measured_on(result, self.language) if result.get("value") is not None else None
        told = "; ".join([*parts, *self._layer(result), *([on] if on else []), *self.given(criterion, result)])
        return f"{criterion.question[self.language]} {told[0].upper()}{told[1:]}."

    def found(self, criterion: Gate | Scored | Judged, result: Result) -> str:
        """What was found, and by how much a gate's limit is missed: short, for a result that changes while drawing."""
        if result.get("value") is None:
            return _sentence(self._plain_reason(result))
        if not isinstance(criterion, Gate):
            return _sentence(", ".join(self._scored(criterion, result)[0:1]))
        layer = self.layer_names.get(result.get("layer"), result.get("layer") or "")
        msgid, facts = explain(criterion, result, layer)[0]
        written = {name for name, _ in UNIT_WRITTEN.findall(msgid)}
        unit = result.get("unit", "")
        amounts = {name: self._amount(facts[name], "" if name in written else unit) for name in ("value", "limit")}
        parts = [self._(msgid).format(**(facts | amounts)), self.margin(criterion, result)]
        if result["reason"] in ("accuracy", "indicative"):
            parts.append(_sentence(self._plain_reason(result)))
        return " ".join(filter(None, parts))

    def margin(self, gate: Gate, result: Result) -> str:
        """By how much the limit of a gate is missed; "" where it is kept, or there is no number."""
        value, limit = result.get("value"), result.get("threshold")
        if gate.operator is None or limit is None or not isinstance(value, int | float):
            return ""
        over = gate.operator.startswith("<")
        missing = value - limit if over else limit - value
        if missing < 0 or (missing == 0 and gate.operator.endswith("=")):
            return ""
        unit = result.get("unit", "")
        amount = self._amount(missing, N_("percentage points") if unit == "%" else unit)
        return self._(N_("Over the limit by {amount}.") if over else N_("Short of the limit by {amount}.")).format(
            amount=amount
        )

    def _gate(self, gate: Gate, result: Result) -> list[str]:
        verdict = self._(VERDICT_WORDS[result["verdict"]])
        if result.get("value") is None:
            return [verdict, self._plain_reason(result)]
        said = f"{verdict}: {self._value(result)}, {self._condition(gate, result)}"
        reason = [self._plain_reason(result)] if result["reason"] in ("accuracy", "indicative", "overruled") else []
        return [said, *reason, self._(N_("a gate adds no points"))]

    def _condition(self, gate: Gate, result: Result) -> str:
        if gate.words:
            passing = [self._(MEASURED_WORDS[w]) for w, verdict in gate.words.items() if verdict in ("pass", "note")]
            return self._(N_("the gate is passed when: {words}")).format(words=", ".join(passing))
        limit = self._amount(result["threshold"], result.get("unit", ""))
        return self._(N_("the gate is passed when {limit}")).format(limit=f"{_SIGNS[gate.operator]} {limit}")

    def _scored(self, criterion: Scored | Judged, result: Result) -> list[str]:
        if result.get("score") is None:
            return [self._plain_reason(result)]
        facts = {
            "score": number(result["score"], 0, self.language),
            "share": number(100 * result["share"], 1, self.language),
            "points": number(contribution(result), 1, self.language),
        }
        adds = self._(N_("{score} points of 100 at {share} % of the weight add {points} points to the total"))
        if isinstance(criterion, Judged):
            return [self._(N_("a planner judged it")), adds.format(**facts)]
        if "override" in result:
            measured = [] if result.get("value") is None else [self._value(result)]
            return [*measured, self._plain_reason(result), adds.format(**facts)]
        told = [self._value(result), *self._piece(criterion, result), *self._cap(criterion, result)]
        return [", ".join(told), adds.format(**facts)]

    def _piece(self, criterion: Scored, result: Result) -> list[str]:
        """The piece of the value function in which the value lies."""
        value, points = result["value"], criterion.value_function.points
        if not points:
            return []

        def point(at: tuple[float, float]) -> dict[str, str]:
            return {"value": self._amount(at[0], criterion.unit), "score": number(at[1], 0, self.language)}

        if value <= points[0][0]:
            return [self._(N_("up to {value} it gives {score} points")).format(**point(points[0]))]
        if value >= points[-1][0]:
            return [self._(N_("from {value} on it gives {score} points")).format(**point(points[-1]))]
        low, high = next(pair for pair in pairwise(points) if pair[0][0] <= value <= pair[1][0])
        (first, second) = (point(low), point(high))
        return [
            self._(N_("between {low} ({low_score} points) and {high} ({high_score} points)")).format(
                low=first["value"], low_score=first["score"], high=second["value"], high_score=second["score"]
            )
        ]

    def _cap(self, criterion: Scored, result: Result) -> list[str]:
        cap = criterion.value_function.caps.get(result.get("class"))
        if cap is None or result["score"] != cap or cap >= 100:
            return []
        words = self._(MEASURED_WORDS[result["class"]])
        return [self._(N_("at most {cap} points: {why}")).format(cap=number(cap, 0, self.language), why=words)]

    # -- what a person gave

    def given(self, criterion: Gate | Scored | Judged, result: Result) -> list[str]:
        """Who judged or overruled this result, when, why, and what was computed: clauses, without a full stop."""
        told = result.get("override") or result.get("judgement")
        if told is None:
            return []
        by = self._(N_("given by {role} on {date}: “{reason}”")).format(
            role=self._(ROLE_WORDS[told["role"]]), date=day(datetime.fromisoformat(told["at"]).date(), self.language),
            reason=" ".join(told["reason"].split()),
        )  # fmt: skip
        if "override" not in result:
            return [by]
        was = result["computed"]
        if isinstance(criterion, Gate):
            computed = self._(VERDICT_WORDS[was["verdict"]]).lower()
        elif was["score"] is None:
            computed = self._(VERDICT_WORDS["not_assessed"]).lower()
        else:
            computed = self._(N_("{score} points")).format(score=number(was["score"], 0, self.language))
        found = [self._(N_("computed: {what}")).format(what=computed), by]
        if told["older"]:
            value = self._amount(told["on_value"], result.get("unit", ""))
            found.append(self._(N_("given on an older value: {value}")).format(value=value))
        return found

    # -- pieces

    def _plain_reason(self, result: Result) -> str:
        accuracy = result.get("accuracy_m")
        said = self._(REASONS[result["reason"]]).format(
            accuracy="" if accuracy is None else number(accuracy, 0, self.language)
        )
        return said[0].lower() + said[1:].rstrip(".")

    def _value(self, result: Result) -> str:
        value = self._amount(result["value"], result.get("unit", ""))
        if result.get("feature_name"):
            return self._(N_("measured {value} (“{feature}”)")).format(value=value, feature=result["feature_name"])
        return self._(N_("measured {value}")).format(value=value)

    def _amount(self, value: float | str | None, unit: str) -> str:
        if value is None:
            return "–"
        if isinstance(value, str):
            return self._(MEASURED_WORDS[value])
        return quantity(value, self._(unit) if unit else "", self.language)

    def _layer(self, result: Result) -> list[str]:
        layer, version = result.get("layer"), result.get("layer_version")
        if not layer:
            return []
        name = self.layer_names.get(layer, layer)
        if version is None:
            return [self._(N_("layer “{layer}”, not loaded")).format(layer=name)]
        of = self.layer_dates.get((layer, version))
        kind = self._(N_("indicative") if result.get("indicative") else N_("official"))
        if of is None:
            return [f"{self._(N_('layer “{layer}”, version {version}')).format(layer=name, version=version)}, {kind}"]
        dated = self._(N_("layer “{layer}”, version {version} of {date}"))
        return [f"{dated.format(layer=name, version=version, date=day(of, self.language))}, {kind}"]

    # -- why it changed

    def change(self, change: Change, criteria: CriteriaSet) -> str:
        """What became of one criterion between two results, and why. `criteria` is the set of the later one,
        or of the earlier where the later does not ask it."""
        question = criteria.criterion(change.key).question[self.language]
        causes = "; ".join(self._(CAUSES[cause]) for cause in change.causes)
        before, after = self._stood(change.before), self._stood(change.after)
        told = f"{question} {before} → {after} ({causes})"
        if abs(change.points) < 0.005:
            return f"{told}."
        signed = ("+" if change.points > 0 else "") + number(change.points, 1, self.language)
        return f"{told}: {self._(N_('{points} points of the total')).format(points=signed)}."

    def _stood(self, result: Result | None) -> str:
        if result is None:
            return self._(VERDICT_WORDS["not_asked"]).lower()
        value = self._amount(result.get("value"), result.get("unit", ""))
        if result["kind"] == "gate":
            return f"{value}, {self._(VERDICT_WORDS[result['verdict']]).lower()}"
        if result.get("score") is None:
            return self._(VERDICT_WORDS["not_assessed"]).lower()
        facts = {"score": number(result["score"], 0, self.language),
                 "share": number(100 * result["share"], 1, self.language)}  # fmt: skip
        said = self._(N_("{score} points × {share} %")).format(**facts)
        return said if result["kind"] == "judged" else f"{value}, {said}"
