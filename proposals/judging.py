"""Giving: a planner judges a criterion, or overrules what was computed, with a reason; the result is scored at once.

Nothing is replaced: another row is added, and what was computed stays beside what was given.
"""

from __future__ import annotations

import math
from dataclasses import replace

import orjson
from sqlalchemy import Connection, text

from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import act_as, transaction
from masterplan.errors import Forbidden, InputError, MasterplanError
from masterplan.language import N_
from proposals.criteria import Gate, Judged
from proposals.measuring import score_all
from proposals.submitting import LONGEST_REASON, SHORTEST_REASON, STAFF_ONLY, Outcome, load_result

#: The verdicts that a person may give a gate.
GIVEN_VERDICTS = ("pass", "note", "person", "fail")
#: Takes back what was given: what is computed counts again.
TAKE_BACK = "computed"

_NOT_ASKED = N_("The criterion {name} is not asked of this submission. Asked are: {known}.")
_NOT_POINTS = N_("{given} is not a number of points from 0 to 100.")
_NOT_A_VERDICT = N_("{given} is none of the verdicts of a gate: {known}.")
_NOTHING_GIVEN = N_("Nothing was given for this criterion that could be taken back.")
_NOT_MEASURED = N_("It is not measured yet: there is nothing to judge.")
_REASON = N_("Say why, in 3 to {most} characters: the reason is public where the submission is.")


def give(code: str, criterion: str, given: str | float, reason: str, actor: Actor) -> Outcome:
    """Judge a criterion of a submission, or overrule what was computed; how it stands then.

    `given` is a number of points 0..100 for a judged or scored criterion, a word of GIVEN_VERDICTS for a gate,
    or TAKE_BACK. The reason is kept with the role and the account of the actor, and the value measured now.

    Raises
    ------
    InputError
        Everything wrong with it at once, under `criterion`, `given` and `reason`.
    NotFound
        When no submission has this code.
    Forbidden
        When the actor is not of the team.
    """
    if not actor.is_staff and actor.role is not Role.SYSTEM:
        raise Forbidden(STAFF_ONLY)
    with transaction(actor) as connection:
        before = load_result(connection, code)
        _insert(connection, before, criterion, given, reason)
        act_as(connection, SYSTEM)
        score_all(connection, [before.proposal_id])
        act_as(connection, actor)
        return replace(load_result(connection, before.receipt), created=False)


_INSERT = text("""
    INSERT INTO masterplan.assessment (proposal_id, criterion, kind, value, verdict, reason, computed, criteria_set)
    VALUES (:id, :criterion, :kind, CAST(:points AS float8), :verdict, :reason, CAST(:computed AS jsonb), :criteria_set)
""")


def _insert(connection: Connection, about: Outcome, key: str, given: str | float, reason: str) -> None:
    if about.score is None:
        raise InputError([("criterion", MasterplanError(_NOT_MEASURED))])
    faults: list[tuple[str, MasterplanError]] = []
    said, results = reason.strip(), about.score.results
    if not SHORTEST_REASON <= len(said) <= LONGEST_REASON:
        faults.append(("reason", MasterplanError(_REASON, most=LONGEST_REASON)))
    if key not in results:
        known = ", ".join(results)
        raise InputError([("criterion", MasterplanError(_NOT_ASKED, name=key, known=known)), *faults])
    criterion, result = about.criteria.criterion(key), results[key]
    points = verdict = None
    if given == TAKE_BACK:
        if "override" not in result and "judgement" not in result:
            faults.append(("given", MasterplanError(_NOTHING_GIVEN)))
    elif isinstance(criterion, Gate):
        verdict = str(given)
        if verdict not in GIVEN_VERDICTS:
            faults.append(("given", MasterplanError(_NOT_A_VERDICT, given=given, known=", ".join(GIVEN_VERDICTS))))
    else:
        points = _points(given)
        if points is None:
            faults.append(("given", MasterplanError(_NOT_POINTS, given=given)))
    if faults:
        raise InputError(faults)
    kind = "taken_back" if given == TAKE_BACK else "judgement" if isinstance(criterion, Judged) else "override"
    computed = {"value": result.get("value"), **result.get("computed", {
        name: result[name] for name in ("verdict", "score") if name in result})}  # fmt: skip
    connection.execute(_INSERT, {
        "id": about.proposal_id, "criterion": key, "kind": kind, "points": points, "verdict": verdict, "reason": said,
        "computed": None if isinstance(criterion, Judged) else orjson.dumps(computed).decode(),
        "criteria_set": about.criteria.version,
    })  # fmt: skip


def _points(given: str | float) -> float | None:
    """The number from 0 to 100 that was typed; None when it is none."""
    try:
        points = float(str(given).replace(",", "."))
    except ValueError:
        return None
    return points if math.isfinite(points) and 0 <= points <= 100 else None
