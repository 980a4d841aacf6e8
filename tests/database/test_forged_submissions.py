"""What a browser may hand in besides what the form asks: 80 forged submissions, seeded; none is stored, none breaks.

Each is an honest one, which is stored, with one value forged; whoever acts, the answer is a list of faults in words.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import transaction
from masterplan.errors import InputError
from masterplan.language import LANGUAGES
from proposals.submission import MAX_VERTICES
from proposals.submitting import Submission, submit

IASI, MIROSLAVA = "95060", "97919"
VISITOR = Actor(Role.VISITOR, session="forger")
MAYOR = Actor(Role.UAT, user="m", uats=(MIROSLAVA,), session="mayor")
#: What is no text, and what is none that the field knows.
NO_TEXTS = (None, 0, 1.5, True, [], {}, ["citizen"], b"citizen", math.nan, object())
NO_WORDS = (*NO_TEXTS, "unknown", "Observation", "observation ", "x" * 9_999, "'; DROP TABLE proposal; --", "\x00")
NO_NUMBERS = (math.nan, math.inf, -math.inf, -1, 1e13, 10**400, "1000", True, [], {}, b"1", 1 + 1j)
NO_PLACES = (
    None, 0, "POINT(27.58 47.16)", [], {}, [27.58, 47.16], {"type": "Point"}, {"type": "Point", "coordinates": None},
    {"type": "Point", "coordinates": []}, {"type": "Point", "coordinates": [27.58]},
    {"type": "Point", "coordinates": ["27.58", "47.16"]}, {"type": "Point", "coordinates": [True, 47.16]},
    {"type": "Point", "coordinates": [math.nan, 47.16]}, {"type": "Point", "coordinates": [27.58, math.inf]},
    {"type": "Point", "coordinates": [10**400, 47.16]}, {"type": "Point", "coordinates": [1e308, -1e308]},
    {"type": "Point", "coordinates": [47.16, 27.58]}, {"type": "Point", "coordinates": [0, 0]},
    {"type": "Point", "coordinates": [[27.58, 47.16]]}, {"type": "Circle", "coordinates": [27.58, 47.16]},
    {"type": None, "coordinates": [27.58, 47.16]}, {"type": ["Point"], "coordinates": [27.58, 47.16]},
    {"type": {"Point": 1}, "coordinates": [27.58, 47.16]}, {"type": "Feature", "geometry": None},
    {"type": "Feature", "geometry": [1]}, {"type": "GeometryCollection", "geometries": []},
    {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": [1]}]},
    {"type": "LineString", "coordinates": [[27.58, 47.16]]},
    {"type": "LineString", "coordinates": [[27.58, 47.16]] * 3},
    {"type": "LineString", "coordinates": [[27.58 + n * 1e-6, 47.16] for n in range(MAX_VERTICES + 1)]},
    {"type": "Polygon", "coordinates": [[[27.5, 47.1], [27.6, 47.1]]]},
    {"type": "Polygon", "coordinates": [[[27.0, 46.9], [28.0, 46.9], [28.0, 47.4], [27.0, 47.4], [27.0, 46.9]]]},
    {"type": "Polygon", "coordinates": []}, {"type": "Polygon", "coordinates": "x"},
)  # fmt: skip
NO_FACTS = (
    None, [], "x", 1, {"X": 1}, {"a b": 1}, {1: 1}, {None: 1}, {"a": math.nan}, {"a": 10**400}, {"a": []}, {"a": {}},
    {"a": None}, {"a": "x" * 501}, {"a": "\x00"}, {"a": b"x"}, {"a" * 64: 1}, {f"a{n}": 1 for n in range(51)},
    {"__class__": 1}, {"a": object()},
)  # fmt: skip
NO_ADDRESSES = ("x", "a@b", "a@b.ro,c@d.ro", "a@b.ro\nBcc: c@d.ro", "x" * 300 + "@b.ro", 1, [], {}, True, b"a@b.ro")


def forgeries(choose: random.Random) -> dict[str, Any]:
    """One forged value of each field."""
    return {
        "kind": choose.choice(NO_WORDS), "theme": choose.choice((*NO_WORDS, "")), "channel": choose.choice(NO_WORDS),
        "author_kind": choose.choice(NO_WORDS), "title": choose.choice((*NO_TEXTS, "", "ab", "x" * 201, "\u202e" * 9)),
        "description": choose.choice((*NO_TEXTS, "x" * 10_001)), "geometry": choose.choice(NO_PLACES),
        "source_event": choose.choice((*NO_TEXTS, "a meeting that an online submission cannot come from")),
        "on_behalf_of": choose.choice((IASI, "0", "97919 ", "x" * 100_000, 97919, [], {}, True, "' OR 1=1 --")),
        "budget_lei": choose.choice(NO_NUMBERS), "attributes": choose.choice(NO_FACTS),
        "documentation_stage": choose.choice([each for each in NO_WORDS if each is not None]),
        "email": choose.choice(NO_ADDRESSES), "submission_key": choose.choice((None, "", "x", 1, [], "0" * 32)),
    }  # fmt: skip


def honest(actor: Actor) -> Submission:
    given = {"title": "Stație fără umbră", "description": "", "theme": "mobility", "attributes": {"green_m2": 10.0}}
    place = {"type": "Point", "coordinates": [27.583, 47.165]}
    if actor is MAYOR:
        given |= {"on_behalf_of": MIROSLAVA, "author_kind": "uat", "budget_lei": 1e6, "documentation_stage": "idea"}
    kind = "proposal" if actor is MAYOR else "observation"
    return Submission(submission_key=uuid4(), kind=kind, geometry=place, **given)


def stored(database_name: str) -> tuple[int, int, int]:
    with transaction(SYSTEM) as connection:
        counts = (text(f"SELECT count(*) FROM masterplan.{table}") for table in ("proposal", "contact", "job"))
        return tuple(map(connection.scalar, counts))


@pytest.mark.parametrize("seed", range(80))
def test_a_forged_value_is_refused_in_words(database_name: str, seed: int) -> None:
    choose = random.Random(seed)
    actor = (VISITOR, MAYOR)[seed % 2]
    forged = forgeries(choose)
    field = list(forged)[seed // 2 % len(forged)]
    before = stored(database_name)
    with pytest.raises(InputError) as refused:
        submit(replace(honest(actor), **{field: forged[field]}), actor)
    assert stored(database_name) == before
    for name, fault in refused.value.faults:
        assert name in Submission.__dataclass_fields__
        for language in LANGUAGES:
            said = fault.message(language)
            assert 10 < len(said) < 400 and "Traceback" not in said and "object at 0x" not in said, said


@pytest.mark.parametrize("actor", [VISITOR, MAYOR], ids=["visitor", "mayor"])
def test_the_honest_one_is_stored(database_name: str, actor: Actor) -> None:
    before = stored(database_name)[0]
    assert submit(honest(actor), actor).created
    assert stored(database_name)[0] == before + 1
