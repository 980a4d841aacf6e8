"""Relations between submissions: each kind by hand, who sees them, and both ways alike."""

from __future__ import annotations

import json

import pytest
import shapely.affinity
from shapely.geometry import LineString, Point, box
from sqlalchemy import text

from masterplan.actors import SYSTEM, VISITOR, Actor, Role
from masterplan.database import transaction
from masterplan.errors import NotFound
from proposals import receipts
from proposals.relations import relations, relations_of
from tests.command_line import run

pytestmark = pytest.mark.database

#: Metres of the storage CRS, far from anything else.
X, Y = 690_000.0, 640_000.0


@pytest.fixture(autouse=True)
def _database(fresh_database: str) -> None:
    """Each test begins with nothing brought."""


def bring(geometry, theme="development", title="Ceva", kind="proposal", status="published", **more) -> str:
    place = shapely.affinity.translate(geometry, X, Y)
    with transaction(SYSTEM) as connection:
        return connection.scalar(text("""
            INSERT INTO masterplan.proposal (receipt, submission_key, kind, status, channel, author_kind, theme, title,
                description, geom, attributes, criteria_set, edition, session, on_behalf_of)
            VALUES (:receipt, gen_random_uuid(), :kind, :status, 'online', 'citizen', :theme, :title, :description,
                ST_GeomFromWKB(:geometry, 3844), '{}', 'v0', 1, :session, :behalf) RETURNING receipt"""), {
            "receipt": receipts.issue(), "kind": kind, "status": status, "theme": theme,
            "behalf": "95060" if kind == "proposal" else None, "title": title, "geometry": shapely.to_wkb(place),
            "description": more.get("description", ""), "session": more.get("session", ""),
        })  # fmt: skip


def between(one: str, other: str, actor: Actor = SYSTEM) -> dict[str, float]:
    with transaction(actor) as connection:
        return {found.kind: found.shared for found in relations(connection, [one]) if found.other == other}


@pytest.mark.parametrize(("first", "second", "kinds"), [
    # A tenth of the smaller area; a twentieth is the least, and two metres of a hundred are less.
    ((box(0, 0, 100, 100), "water"), (box(90, 0, 190, 100), "other"), {"overlaps": 0.1}),
    ((box(0, 0, 100, 100), "water"), (box(98, 0, 198, 100), "other"), {}),
    ((box(0, 0, 100, 100), "water"), (box(5000, 0, 5100, 100), "water"), {}),
    # Building on what another wants green.
    ((box(0, 0, 100, 100), "development"), (box(50, 0, 150, 100), "green_blue"), {"overlaps": 0.5, "conflicts": 0.5}),
    ((LineString([(-50, 50), (50, 50)]), "mobility"), (box(0, 0, 100, 100), "green_blue"),
     {"overlaps": 0.5, "conflicts": 0.5}),
    ((LineString([(-90, 50), (10, 50)]), "mobility"), (box(0, 0, 100, 100), "green_blue"), {}),
    ((Point(50, 50), "water"), (box(0, 0, 100, 100), "other"), {"overlaps": 1.0}),
    ((Point(120, 50), "water"), (box(0, 0, 100, 100), "other"), {}),
    # Lines: end to end, or one beside the other.
    ((LineString([(0, 0), (1000, 0)]), "mobility"), (LineString([(1090, 0), (2000, 0)]), "mobility"), {"continues": 0}),
    ((LineString([(0, 0), (1000, 0)]), "mobility"), (LineString([(1110, 0), (2000, 0)]), "mobility"), {}),
    ((LineString([(0, 0), (1000, 0)]), "mobility"), (LineString([(500, 90), (500, 900)]), "mobility"), {}),
    ((LineString([(0, 0), (1000, 0)]), "mobility"), (LineString([(0, 10), (1000, 10)]), "mobility"), {"overlaps": 1.0}),
])  # fmt: skip
def test_a_relation_by_hand_and_the_same_from_the_other_side(first, second, kinds):
    one = bring(first[0], first[1], "Un teren de joacă")
    other = bring(second[0], second[1], "Pistă pentru biciclete")
    assert between(one, other) == pytest.approx(kinds, abs=0.001)
    assert between(other, one) == pytest.approx(kinds, abs=0.001)


def test_words_and_place_together_make_a_near_duplicate():
    one = bring(Point(0, 0), title="Trecere de pietoni la școală", description="Copiii traversează fără semafor.")
    same = bring(Point(60, 0), title="Trecere pentru pietoni la școală", description="Copiii traversează fără semafor")
    far = bring(Point(900, 0), title="Trecere pentru pietoni la școală", description="Copiii traversează fără semafor")
    words = bring(Point(60, 0), title="Gunoi neridicat", description="De două săptămâni, în fața blocului.")
    theme = bring(Point(60, 0), "water", "Trecere de pietoni la școală", description="Copiii traversează fără semafor.")
    assert between(one, same) == {"near_duplicate": 0}
    assert [between(one, other) for other in (far, words, theme)] == [{}, {}, {}]


def test_observations_conflict_with_nothing():
    one = bring(box(0, 0, 100, 100), "development", kind="observation")
    assert between(one, bring(box(0, 0, 100, 100), "green_blue", "Parc")) == pytest.approx({"overlaps": 1})


def test_everyone_is_told_of_what_they_may_see_only():
    public = bring(box(0, 0, 100, 100))
    held = bring(box(0, 0, 100, 100), "other", "Altă idee", status="submitted", session="a browser")
    hidden = bring(box(0, 0, 100, 100), "other", "Și mai altă idee", status="hidden")
    planner = Actor(Role.PLANNER)
    assert between(public, held, planner) and not between(public, hidden, planner)
    assert not between(public, held, VISITOR) and not between(held, public, VISITOR)
    assert between(public, held, Actor(Role.VISITOR, session="a browser"))
    with pytest.raises(NotFound), transaction(VISITOR) as connection:
        relations_of(connection, held)


def test_the_command_lists_them():
    one = bring(box(0, 0, 100, 100))
    other = bring(box(50, 0, 150, 100), "green_blue", "Parc")
    found = json.loads(run("proposals", "relations", one, "--json").stdout)
    assert [(row["kind"], row["receipt"], row["shared"]) for row in found] == [
        ("conflicts", other, 0.5), ("overlaps", other, 0.5),
    ]  # fmt: skip
    assert "error:" in run("proposals", "relations", receipts.issue(), expect=1).stderr
