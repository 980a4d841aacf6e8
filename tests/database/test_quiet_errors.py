"""An error of the database tells which statement failed, and nothing of what people typed."""

from __future__ import annotations

import traceback
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from masterplan.actors import SYSTEM, VISITOR
from masterplan.database import transaction
from proposals.submitting import Submission, submit

CANARY = "canar.eroare@exemplu.ro"
LEAVE = "INSERT INTO masterplan.contact (proposal_id, email, consent_version) VALUES (:id, :email, :consent)"


@pytest.fixture(scope="module")
def proposal_id(database_name: str) -> int:
    place = {"type": "Point", "coordinates": [27.583, 47.165]}
    given = Submission(uuid4(), "observation", "water", "Un titlu", "", place, email=CANARY)
    return submit(given, VISITOR).proposal_id


@pytest.mark.parametrize(("statement", "consent", "constraint"), [
    # PostgreSQL would add the failing row, or the key that is there already.
    (LEAVE, None, "null value"),
    (LEAVE, "2026-11", "duplicate key"),
    ("SELECT 1 / 0 FROM masterplan.contact WHERE email = :email OR :id = 0 OR :consent = ''", "", "division by zero"),
])  # fmt: skip
def test_no_value_is_in_an_error(proposal_id: int, statement: str, consent: str | None, constraint: str):
    with pytest.raises(DBAPIError, match=constraint) as refused, transaction(SYSTEM) as connection:
        connection.execute(text(statement), {"id": proposal_id, "email": CANARY, "consent": consent})
    told = "".join(traceback.format_exception(refused.value))
    assert "masterplan.contact" in told or "SELECT" in told
    assert CANARY not in told
