"""Why a decision is as it is: reusable texts tied to criteria, and a draft from what was measured."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from masterplan.errors import ConfigurationError
from masterplan.language import LANGUAGES, N_, translator
from masterplan.settings import settings
from proposals.criteria import CriteriaSet, Criterion
from proposals.deciding import Outcome

_FIELDS = {"key", "outcomes", "criteria", "text_ro", "text_en"}
#: How many of the strongest and of the weakest criteria a draft names.
_NAMED = 2

FAULTY = N_("data/reasons.toml: {fault}.")
_FAILED = N_("Gate not passed: {question} {remedy}")
_WAITS = N_("Gates that a person looked at: {questions}")
_STRONGEST = N_("Strongest: {criteria}.")
_WEAKEST = N_("Weakest: {criteria}.")
_POINTS = N_("{question} ({points} points)")


@dataclass(frozen=True)
class Reason:
    """One reusable text in both languages, with the outcomes it fits and the criteria it speaks of."""

    key: str
    outcomes: frozenset[Outcome]
    criteria: tuple[str, ...]
    text: Mapping[str, str]


@cache
def library() -> Mapping[str, Reason]:
    """The reasons by their keys, in the order of the file.

    Raises
    ------
    ConfigurationError
        When the file says one of them wrong.
    """
    with (settings().data_dir / "reasons.toml").open("rb") as file:
        entries = tomllib.load(file)["reason"]
    found: dict[str, Reason] = {}
    for entry in entries:
        if set(entry) != _FIELDS or entry["key"] in found or not entry["outcomes"]:
            raise ConfigurationError(FAULTY, fault=f"key {entry.get('key')!r} is there twice, or lacks a field")
        found[entry["key"]] = Reason(
            entry["key"], frozenset(map(Outcome, entry["outcomes"])), tuple(entry["criteria"]),
            {language: entry[f"text_{language}"] for language in LANGUAGES},
        )  # fmt: skip
    return found


def fitting(outcome: Outcome, results: Mapping[str, Mapping[str, Any]]) -> list[Reason]:
    """Reasons for an outcome, those first that speak of criteria that were asked of the proposal."""
    fit = [reason for reason in library().values() if outcome in reason.outcomes]
    return sorted(fit, key=lambda reason: not any(key in results for key in reason.criteria))


def composed(keys: Sequence[str], free: str, language: str) -> str:
    """The reason as it is read: the texts of the library in the reader's language, then the free words."""
    return "\n".join([*(library()[key].text[language] for key in keys), *([free.strip()] if free.strip() else [])])


def draft(criteria: CriteriaSet, results: Mapping[str, Mapping[str, Any]], language: str) -> str:
    """What the measures say, for a planner to begin with: failing gates, strongest and weakest criteria."""
    say = translator(language)
    failed, waiting = (
        [gate for gate in criteria.gates if results.get(gate.key, {}).get("verdict") == verdict]
        for verdict in ("fail", "person")
    )
    lines = [say(_FAILED).format(question=gate.question[language], remedy=gate.remedy[language]) for gate in failed]
    if waiting:
        lines.append(say(_WAITS).format(questions=" ".join(gate.question[language] for gate in waiting)))
    scored = [c for c in criteria.weighted if results.get(c.key, {}).get("score") is not None]
    ranked = sorted(scored, key=lambda c: -results[c.key]["score"])
    strongest = ranked[:_NAMED]
    weakest = [c for c in reversed(ranked) if c not in strongest][:_NAMED]
    for words, named in ((_STRONGEST, strongest), (_WEAKEST, weakest)):
        if named:
            told = [_pointed(c, results[c.key]["score"], language) for c in named]
            lines.append(say(words).format(criteria="; ".join(told)))
    return "\n".join(lines)


def _pointed(criterion: Criterion, score: float, language: str) -> str:
    return translator(language)(_POINTS).format(question=criterion.question[language], points=round(score))
