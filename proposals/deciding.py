"""The decision on a proposal as a state machine: who may do what, in which state, and what comes of it.

Pure. `RULES` is the one table: `docs/decisions.md` shows it, the database keeps it (`0010_decisions`), pages offer
what it allows, and a test walks every role, standing, state and action through all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from masterplan.actors import PEOPLE, Role

STAFF = frozenset({Role.PLANNER, Role.ADMINISTRATOR})
#: Texts that a person writes, in characters.
SHORTEST, LONGEST = 3, 10_000


class Outcome(StrEnum):
    """What may become of a proposal."""

    INTEGRATE = "integrate"
    PARTLY = "integrate_partly"
    CHANGES = "ask_for_changes"
    REJECT = "reject"
    REDIRECT = "redirect"


#: Those that change the plan.
INTEGRATING = (Outcome.INTEGRATE, Outcome.PARTLY)


class State(StrEnum):
    """Where the decision stands."""

    OPEN = "open"
    RECOMMENDED = "recommended"
    CHALLENGED = "challenged"
    CONFIRMED = "confirmed"
    PUBLISHED = "published"


class Action(StrEnum):
    """What somebody does about it."""

    RECOMMEND = "recommend"
    CONFIRM = "confirm"
    CHALLENGE = "challenge"
    TAKE_BACK = "take_back"
    DECLARE_INTEREST = "declare_interest"
    ANSWER = "answer"
    RECONSIDER = "reconsider"
    PUBLISH = "publish"
    REOPEN = "reopen"


class Standing(StrEnum):
    """What somebody is to this decision. Who declared an interest is that alone, whatever else they were."""

    NONE = "none"
    SUBMITTER = "submitter"
    CONCERNED = "concerned"
    RECOMMENDER = "recommender"
    CONFIRMER = "confirmer"
    INTERESTED = "interested"


@dataclass(frozen=True)
class Rule:
    """One line of the table: in these states, people of these roles and standings do this; then it stands so.

    `then` None means that it stands as before.
    """

    action: Action
    states: frozenset[State]
    roles: frozenset[Role]
    standings: frozenset[Standing]
    then: State | None


def _rule(action: Action, states: set[State], standings: set[Standing], then: State | None,
          roles: frozenset[Role] = STAFF) -> Rule:  # fmt: skip
    return Rule(action, frozenset(states), roles, frozenset(standings), then)


_ANYBODY = frozenset({Role.VISITOR, Role.STAKEHOLDER, Role.UAT})
_TEAM = {Standing.NONE, Standing.RECOMMENDER, Standing.CONFIRMER}

RULES: tuple[Rule, ...] = (
    _rule(Action.RECOMMEND, {State.OPEN, State.CHALLENGED}, _TEAM, State.RECOMMENDED),
    _rule(Action.CONFIRM, {State.RECOMMENDED}, {Standing.NONE}, State.CONFIRMED),
    _rule(Action.CHALLENGE, {State.RECOMMENDED}, {Standing.NONE}, State.CHALLENGED),
    _rule(Action.TAKE_BACK, {State.RECOMMENDED}, {Standing.RECOMMENDER}, State.OPEN),
    _rule(Action.DECLARE_INTEREST, {State.OPEN, State.RECOMMENDED, State.CHALLENGED, State.CONFIRMED},
          {Standing.NONE}, None),
    # Who recommended or confirmed it has no part in it any more: it is decided anew.
    _rule(Action.DECLARE_INTEREST, {State.OPEN, State.RECOMMENDED, State.CHALLENGED, State.CONFIRMED},
          {Standing.RECOMMENDER, Standing.CONFIRMER}, State.OPEN),
    _rule(Action.ANSWER, {State.CONFIRMED}, {Standing.SUBMITTER}, None, _ANYBODY),
    _rule(Action.ANSWER, {State.CONFIRMED}, {Standing.CONCERNED}, None, frozenset({Role.UAT})),
    _rule(Action.RECONSIDER, {State.CONFIRMED}, _TEAM, State.OPEN),
    _rule(Action.PUBLISH, {State.CONFIRMED}, _TEAM, State.PUBLISHED),
    _rule(Action.REOPEN, {State.PUBLISHED}, _TEAM, State.OPEN),
)  # fmt: skip

#: What each action must bring, beside itself.
COMMENTED = frozenset({
    Action.CHALLENGE, Action.DECLARE_INTEREST, Action.ANSWER, Action.RECONSIDER, Action.REOPEN,
})  # fmt: skip

#: Outcomes in line with what the set's decision rule recommends; any other says in public why.
IN_LINE: Mapping[str, frozenset[Outcome]] = {
    "integrate": frozenset({Outcome.INTEGRATE}),
    "debate": frozenset({Outcome.PARTLY, Outcome.CHANGES}),
    "reject": frozenset({Outcome.REJECT, Outcome.REDIRECT}),
}


def then(role: Role, standing: Standing, state: State, action: Action) -> State | None:
    """The state that follows, or None where this person may not do this now."""
    for rule in RULES:
        if action is rule.action and state in rule.states and role in rule.roles and standing in rule.standings:
            return rule.then or state
    return None


def departs(outcome: Outcome, recommendation: str | None) -> bool:
    """Whether an outcome is another than the decision rule recommends; without a recommendation none is."""
    return recommendation is not None and outcome not in IN_LINE[recommendation]


def as_markdown() -> str:
    """The table, as `docs/decisions.md` shows it."""
    lines = [["action", "in the states", "by", "who is to it", "then"], ["---"] * 5]
    for rule in RULES:
        roles = ", ".join(role.value for role in PEOPLE if role in rule.roles)
        states = ", ".join(state.value for state in State if state in rule.states)
        standings = ", ".join(standing.value for standing in Standing if standing in rule.standings)
        lines.append([rule.action.value, states, roles, standings, (rule.then or "as before")])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
