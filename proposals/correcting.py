"""Correcting and withdrawing: what who brought something may still do, until a planner has looked at it.

Whose a submission is, the database decides (its policies for changing a row); here the words are checked as when they
were first handed in. The place is not corrected: who meant another one withdraws and submits again.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, text

from masterplan.actors import Actor, Role
from masterplan.database import act_as, acting_as, actor_of, transaction
from masterplan.errors import Forbidden, MasterplanError
from masterplan.language import N_
from masterplan.place import WGS84_SRID
from proposals import receipts
from proposals.criteria_store import stored_set
from proposals.measuring import Candidate
from proposals.submission import Words, check_words
from proposals.submitting import Outcome, load_result, measure_and_score

DECIDED = N_("It can no longer be corrected or withdrawn: it was decided on, or withdrawn, meanwhile.")
NOT_YOURS = N_(
    "Only who submitted it may correct or withdraw it. If that was you, signed in: sign in with the same account."
)

# Locked, since only then PostgreSQL also asks the policies of who may change it.
_CHANGEABLE = text(
    "SELECT title, description, theme FROM masterplan.proposal WHERE receipt = :receipt FOR KEY SHARE"
)
_CORRECT = text(f"""
    UPDATE masterplan.proposal p SET title = :title, description = :description, theme = :theme
    FROM (SELECT id, theme FROM masterplan.proposal WHERE receipt = :receipt FOR UPDATE) AS before
    WHERE p.id = before.id
    RETURNING p.id, before.theme AS theme_before, p.criteria_set, p.kind, p.author_kind, p.on_behalf_of,
        p.budget_lei::float8 AS budget_lei, p.attributes, ST_AsBinary(ST_Transform(p.geom, {WGS84_SRID})) AS geometry
""")
_WITHDRAW = text("UPDATE masterplan.proposal SET status = 'withdrawn' WHERE receipt = :receipt")


def changeable(connection: Connection, receipt: str) -> Words | None:
    """The words of a submission that the actor of this transaction may still change; None where they may not."""
    with acting_as(connection, replace(actor_of(connection), receipt=receipt)):
        row = connection.execute(_CHANGEABLE, {"receipt": receipt}).one_or_none()
    return None if row is None else Words(**row._mapping)


def correct(receipt: str, words: Words, actor: Actor) -> Outcome:
    """Put other words in place of those submitted; what is measured for another theme is measured at once.

    It is judged by the criteria set that it came under.

    Raises
    ------
    InputError
        Everything wrong with the words at once, each fault under the name of its field.
    NotFound
        When no submission has this code, or not for this person.
    Forbidden
        When it is another's, or decided on meanwhile.
    """
    cleaned, repairs = check_words(words)
    wanted = receipts.normalise(receipt)
    author = replace(actor, receipt=wanted)
    with transaction(author) as connection:
        changed = None
        if not actor.is_staff:
            changed = connection.execute(_CORRECT, {"receipt": wanted, **vars(cleaned)}).one_or_none()
        if changed is None:
            raise _refusal(connection, wanted)
        if changed.theme_before != cleaned.theme:
            criteria = stored_set(connection, changed.criteria_set)
            candidate = Candidate(
                geometry=bytes(changed.geometry), theme=cleaned.theme, kind=changed.kind,
                author_kind=changed.author_kind, on_behalf_of=changed.on_behalf_of, budget_lei=changed.budget_lei,
                attributes=changed.attributes,
            )  # fmt: skip
            act_as(connection, Actor(Role.MEASURER, receipt=wanted))
            measure_and_score(connection, changed.id, candidate, criteria)
            act_as(connection, author)
        return replace(load_result(connection, wanted), repairs=repairs)


def withdraw(receipt: str, actor: Actor) -> None:
    """Take a submission back, for good: nobody looks at it any more, and it is never public.

    Raises
    ------
    NotFound
        When no submission has this code, or not for this person.
    Forbidden
        When it is another's, or decided on meanwhile.
    """
    wanted = receipts.normalise(receipt)
    with transaction(replace(actor, receipt=wanted)) as connection:
        # Staff have the right to change a status, and with it not this one.
        if actor.is_staff or not connection.execute(_WITHDRAW, {"receipt": wanted}).rowcount:
            raise _refusal(connection, wanted)


def _refusal(connection: Connection, receipt: str) -> MasterplanError:
    """Why it may not be changed; raises NotFound where this person may not even know of it."""
    return Forbidden(NOT_YOURS if load_result(connection, receipt).status == "submitted" else DECIDED)
