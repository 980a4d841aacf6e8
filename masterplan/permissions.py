"""Who may do what: the one table that the documentation shows and the tests walk, through the database and the pages.

The locks themselves are grants and policies of the database (`migrations/versions/0007_roles.py`,
`0008_corrections.py`); pages ask here only to know what to offer. "Own" is what this browser submitted
without signing in, or whose tracking code is in hand; for who is signed in, also what their account
submitted; for a representative also what is proposed for their UATs. What an account submitted is
seen by its code, and changed by that account alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from masterplan.actors import PEOPLE, Actor, Role

VISITOR, STAKEHOLDER, UAT, PLANNER, ADMINISTRATOR = PEOPLE
EVERYONE = frozenset(PEOPLE)
STAFF = frozenset({PLANNER, ADMINISTRATOR})
NOBODY: frozenset[Role] = frozenset()


class Thing(StrEnum):
    """What something is done to."""

    PUBLIC = "public submission"
    OBSERVATION = "observation not public"
    PROPOSAL = "proposal not public"
    RESULT = "measures and scores of what is not public"
    EDITION = "edition"
    ACCOUNT = "account"


class Operation(StrEnum):
    """What is done."""

    SEE = "see"
    SUBMIT = "submit"
    EDIT = "edit"
    WITHDRAW = "withdraw"
    MODERATE = "moderate"
    ASSESS = "assess"
    DECIDE = "decide"
    PUBLISH = "publish"
    EXPORT = "export"
    READ_CONTACTS = "read contacts"
    GRANT = "grant"


class Whose(StrEnum):
    """Own, or someone else's."""

    OWN = "own"
    OTHERS = "other's"


@dataclass(frozen=True)
class Rule:
    """One line of the matrix: who may do this to that."""

    thing: Thing
    operation: Operation
    whose: Whose
    roles: frozenset[Role]


def _rules() -> tuple[Rule, ...]:
    own, others = Whose.OWN, Whose.OTHERS
    observation, proposal = Thing.OBSERVATION, Thing.PROPOSAL
    do = Operation
    return (
        Rule(Thing.PUBLIC, do.SEE, own, EVERYONE),
        Rule(Thing.PUBLIC, do.SEE, others, EVERYONE),
        Rule(Thing.PUBLIC, do.EDIT, own, NOBODY),
        Rule(Thing.PUBLIC, do.EDIT, others, NOBODY),
        Rule(Thing.PUBLIC, do.MODERATE, others, STAFF),
        Rule(observation, do.SEE, own, EVERYONE),
        Rule(observation, do.SEE, others, STAFF),
        Rule(observation, do.SUBMIT, own, EVERYONE),
        Rule(observation, do.SUBMIT, others, STAFF),
        Rule(observation, do.EDIT, own, frozenset({VISITOR, STAKEHOLDER, UAT})),
        Rule(observation, do.EDIT, others, NOBODY),
        Rule(observation, do.WITHDRAW, own, frozenset({VISITOR, STAKEHOLDER, UAT})),
        Rule(observation, do.WITHDRAW, others, NOBODY),
        Rule(observation, do.MODERATE, own, STAFF),
        Rule(observation, do.MODERATE, others, STAFF),
        Rule(observation, do.EXPORT, others, STAFF),
        Rule(observation, do.READ_CONTACTS, own, STAFF),
        Rule(observation, do.READ_CONTACTS, others, STAFF),
        Rule(proposal, do.SEE, own, EVERYONE),
        Rule(proposal, do.SEE, others, STAFF),
        Rule(proposal, do.SUBMIT, own, frozenset({UAT}) | STAFF),
        Rule(proposal, do.SUBMIT, others, STAFF),
        Rule(proposal, do.EDIT, own, frozenset({UAT})),
        Rule(proposal, do.EDIT, others, NOBODY),
        Rule(proposal, do.WITHDRAW, own, frozenset({UAT})),
        Rule(proposal, do.WITHDRAW, others, NOBODY),
        Rule(proposal, do.MODERATE, own, STAFF),
        Rule(proposal, do.MODERATE, others, STAFF),
        Rule(proposal, do.ASSESS, others, STAFF),
        Rule(proposal, do.DECIDE, others, STAFF),
        Rule(proposal, do.EXPORT, others, STAFF),
        Rule(proposal, do.READ_CONTACTS, own, STAFF),
        Rule(proposal, do.READ_CONTACTS, others, STAFF),
        Rule(Thing.RESULT, do.SEE, own, EVERYONE),
        Rule(Thing.RESULT, do.SEE, others, STAFF),
        Rule(Thing.RESULT, do.EDIT, own, NOBODY),
        Rule(Thing.RESULT, do.EDIT, others, NOBODY),
        Rule(Thing.EDITION, do.SEE, others, EVERYONE),
        Rule(Thing.EDITION, do.PUBLISH, others, STAFF),
        Rule(Thing.ACCOUNT, do.SEE, own, EVERYONE - {VISITOR}),
        Rule(Thing.ACCOUNT, do.SEE, others, frozenset({ADMINISTRATOR})),
        Rule(Thing.ACCOUNT, do.GRANT, own, NOBODY),
        Rule(Thing.ACCOUNT, do.GRANT, others, frozenset({ADMINISTRATOR})),
    )


MATRIX: tuple[Rule, ...] = _rules()


def may(actor: Actor, operation: Operation, thing: Thing, whose: Whose = Whose.OTHERS) -> bool:
    """Whether a page offers this to the actor; the application's own roles are not people and get nothing.

    Raises
    ------
    LookupError
        When the matrix has no such line.
    """
    for rule in MATRIX:
        if (rule.thing, rule.operation, rule.whose) == (thing, operation, whose):
            return actor.role in rule.roles
    raise LookupError(f"the matrix does not say who may {operation} {whose} {thing}")


def as_markdown() -> str:
    """The matrix as a table, as `docs/security.md` shows it."""
    head = ["thing", "operation", "whose", *(role.value for role in PEOPLE)]
    lines = [head, ["---"] * 3 + [":-:"] * len(PEOPLE)]
    for rule in MATRIX:
        marks = ["●" if role in rule.roles else "–" for role in PEOPLE]
        lines.append([rule.thing.value, rule.operation.value, rule.whose.value, *marks])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
