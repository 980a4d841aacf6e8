"""Filters as SQL against the same filters in plain Python, over the same rows."""

from __future__ import annotations

import json
import operator
import random
import re
import tomllib
import unicodedata
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import shapely
from proposal_rows import GATES, SCORED, UATS, Row, insert, rows
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from masterplan.actors import SYSTEM, VISITOR, Actor, Role
from masterplan.database import act_as, owner_transaction, transaction
from masterplan.errors import InputError, NotFound
from proposals import receipts, selecting
from proposals.criteria import THEMES
from proposals.filters import (
    AUTHOR_KINDS,
    EVERYTHING,
    GATE_VERDICTS,
    KINDS,
    OPERATORS,
    STATUSES,
    ProposalFilter,
    from_dict,
    from_words,
)

pytestmark = pytest.mark.database

ROWS = rows(300, seed=7)
LOCAL = ZoneInfo("Europe/Bucharest")
PROJECT_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def _filled(database_name: str) -> None:
    with transaction(SYSTEM) as connection:
        insert(connection, ROWS)


# -- the oracle ----------------------------------------------------------------------------


def means(wanted: ProposalFilter, row: Row) -> bool:
    """Whether a row is meant, in plain Python."""
    day = row.created_at.astimezone(LOCAL).date()
    results = row.results or {}
    spoken = [_plain(field) for field in (row.title, row.description)]
    compare = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq}
    scores = [(results.get(c.key, {}).get("score"), c) for c in wanted.criteria]
    return all((
        wanted.kind in (None, row.kind),
        not wanted.statuses or row.status in wanted.statuses,
        not wanted.themes or row.theme in wanted.themes,
        not wanted.uats or row.uat in wanted.uats,
        not wanted.author_kinds or row.author_kind in wanted.author_kinds,
        not wanted.receipts or row.receipt in wanted.receipts,
        wanted.bbox is None or row.degrees.intersects(shapely.box(*wanted.bbox)),
        all(word == row.receipt or any(_plain(word) in field for field in spoken) for word in wanted.words),
        wanted.min_score is None or (row.total is not None and row.total >= wanted.min_score),
        wanted.max_score is None or (row.total is not None and row.total <= wanted.max_score),
        all(results.get(gate.key, {}).get("verdict") == gate.verdict for gate in wanted.gates),
        all(score is not None and compare[c.operator](score, c.value) for score, c in scores),
        wanted.since is None or day >= wanted.since,
        wanted.until is None or day <= wanted.until,
    ))  # fmt: skip


def _plain(words: str) -> str:
    return re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFD", words)).lower()


def _selected(connection: Connection, wanted: ProposalFilter) -> set[str]:
    return {row.receipt for row in selecting.page(connection, wanted, limit=10_000)}


def _random_filter(chance: random.Random) -> ProposalFilter:
    def some(values: tuple) -> list:
        return chance.sample(values, chance.randint(1, min(3, len(values))))

    west, south = chance.uniform(27.2, 27.7), chance.uniform(46.95, 47.25)
    day = chance.choice((date(2026, 6, 1), date(2026, 11, 1))) + timedelta(days=chance.randrange(7))
    possible = {
        "kind": chance.choice(KINDS),
        "status": some(STATUSES),
        "theme": some(THEMES),
        "uat": some(UATS[:2]),
        "author_kind": some(AUTHOR_KINDS),
        "receipt": [row.receipt for row in chance.sample(ROWS, 100)],
        "bbox": [west, south, west + chance.uniform(0.001, 0.5), south + chance.uniform(0.001, 0.3)],
        "text": chance.choice(("gradina", "TĂTĂRAŞI", "șoseaua 1", "%", "_", "\\", "tab și", ROWS[3].receipt, "{{7*7}}",
                               "O'")),
        "min_score": chance.choice((40, 60, 0)),
        "max_score": chance.choice((60, 100, 99.5)),
        "gate": [[chance.choice(GATES), chance.choice(GATE_VERDICTS)]],
        "criterion": [[chance.choice(SCORED), chance.choice(OPERATORS), chance.choice((60, 60.5, 30))]],
        "since": day.isoformat(),
        "until": (day + timedelta(days=chance.randrange(3))).isoformat(),
    }
    names = chance.sample(sorted(possible), chance.choice((1, 1, 2, 3)))
    document = {name: possible[name] for name in names}
    if {"min_score", "max_score"} <= document.keys():
        document["max_score"] = 100
    return from_dict(document)


# -- filters -------------------------------------------------------------------------------


def test_every_field_alone_finds_some_and_not_all(connection: Connection) -> None:
    """Otherwise the comparison below would prove nothing."""
    chance, found = random.Random(3), {}
    for _ in range(400):
        wanted = _random_filter(chance)
        if len(wanted.to_dict()) == 1:
            found.setdefault(next(iter(wanted.to_dict())), set()).add(len(_selected(connection, wanted)))
    assert set(found) == {
        "kind", "status", "theme", "uat", "author_kind", "receipt", "bbox", "text", "min_score", "max_score", "gate",
        "criterion", "since", "until",
    }  # fmt: skip
    assert all(any(0 < number < len(ROWS) for number in numbers) for numbers in found.values()), found


@pytest.mark.parametrize("seed", range(6))
def test_sql_means_what_python_means(connection: Connection, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        wanted = _random_filter(chance)
        expected = {row.receipt for row in ROWS if means(wanted, row)}
        assert _selected(connection, wanted) == expected, wanted
        assert selecting.count(connection, wanted) == len(expected)


def test_the_whole_world_is_a_box_too(connection: Connection) -> None:
    for box in ("-180,-90,180,90", "20,40,40,60"):
        assert selecting.count(connection, from_words(bbox=box)) == len(ROWS)


@pytest.mark.parametrize("word", ["100%", "mai_bine", "\\", "%", "_", "şi", "PADURE", "t-00007", "a\\", "ă", ";", "'"])
def test_no_character_of_a_word_is_a_wildcard(connection: Connection, word: str) -> None:
    wanted = ProposalFilter(text=word)
    assert _selected(connection, wanted) == {row.receipt for row in ROWS if means(wanted, row)}


def test_no_word_reaches_from_one_text_into_the_next(connection: Connection) -> None:
    row = next(row for row in ROWS if row.description)
    across = row.title.split()[-1] + row.description.split()[0]
    assert _selected(connection, ProposalFilter(text=across)) == set()


def test_what_a_visitor_may_not_see_is_not_found_by_its_words(connection: Connection) -> None:
    act_as(connection, VISITOR)
    found = _selected(connection, from_words(text="tătărași"))
    said = {row.receipt: row.status for row in ROWS if means(from_words(text="tătărași"), row)}
    assert found == {receipt for receipt, status in said.items() if status == "published"} != said.keys()


def test_the_search_tells_nobody_but_staff_what_is_not_public(connection: Connection) -> None:
    """The function itself, as an injected expression would call it: no text and no code that is not public."""
    word, rows_saying = "tătărași", [row for row in ROWS if "tatarasi" in _plain(f"{row.title}\n{row.description}")]
    public = sum(row.status == "published" for row in rows_saying)
    count = text("SELECT count(*) FROM masterplan.saying(:word)")
    for role, expected in ((Role.VISITOR, public), (Role.UAT, public), (Role.PLANNER, len(rows_saying)),
                           (Role.SYSTEM, len(rows_saying))):  # fmt: skip
        act_as(connection, Actor(role))
        assert connection.scalar(count, {"word": word}) == expected, role
        assert connection.scalar(count, {"word": ROWS[3].receipt}) == 0, "codes are compared whole"
    assert 0 < public < len(rows_saying)


def test_a_code_is_found_whole_as_people_type_it_and_never_by_a_part(connection: Connection) -> None:
    code = receipts.code(7)
    insert(connection, [replace(ROWS[0], receipt=code)])
    for typed, found in ((code, {code}), (code.lower().replace("-", ""), {code}), (code[:9], set())):
        assert _selected(connection, ProposalFilter(text=typed)) == found, typed


def test_texts_are_searched_by_their_index_and_read_by_no_login(connection: Connection) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), connection.begin_nested():
        connection.execute(text("SELECT sought FROM masterplan.proposal_text"))
    with owner_transaction() as owner:
        owner.execute(text("SET LOCAL enable_seqscan = off"))
        plan = owner.scalars(text("EXPLAIN SELECT FROM masterplan.proposal_text WHERE sought LIKE '%tatarasi%'")).all()
    assert "proposal_text_sought" in " ".join(plan)


def test_a_text_that_changes_is_found_by_its_new_words_alone(fresh_database: str) -> None:
    """No page changes one yet; what does so must not have to know of the search."""
    with transaction(SYSTEM) as connection:
        insert(connection, [replace(ROWS[0], title="Întâi așa"), replace(ROWS[1], title="Întâi și altul")])
    with owner_transaction() as owner:
        owner.execute(text("ALTER TABLE masterplan.proposal NO FORCE ROW LEVEL SECURITY"))
        change = text("UPDATE masterplan.proposal SET title = 'Pe urmă' WHERE receipt = :r")
        owner.execute(change, {"r": ROWS[0].receipt})
        owner.execute(text("ALTER TABLE masterplan.proposal FORCE ROW LEVEL SECURITY"))
    with transaction(SYSTEM) as connection:
        assert _selected(connection, from_words(text="intai")) == {ROWS[1].receipt}
        assert _selected(connection, from_words(text="URMA pe")) == {ROWS[0].receipt}


def test_a_day_starts_at_midnight_in_iasi(connection: Connection) -> None:
    one_day = from_words(since="2026-06-02", until="2026-06-02")
    expected = {row.receipt for row in ROWS if row.created_at.astimezone(LOCAL).date() == date(2026, 6, 2)}
    assert expected and _selected(connection, one_day) == expected


def test_what_the_database_does_not_have_is_named(connection: Connection) -> None:
    good = from_words(gate=["zone=pass"], criterion=["land>=60"], uat=["95060"])
    selecting.refuse_unknown(connection, good)
    wrong = from_words(gate=["zona=pass", "land=pass"], criterion=["lands>=60", "zone>=60"], uat=["95060", "1"])
    with pytest.raises(InputError) as caught:
        selecting.refuse_unknown(connection, wanted=wrong)
    said = sorted((name, str(fault)) for name, fault in caught.value.faults)
    assert [name for name, _ in said] == ["criterion", "criterion", "gate", "gate", "uat"]
    for (_, sentence), part in zip(said, ("“lands”", "“zone” is a gate", "“zona”", "“land” is no gate", "code 1."),
                                   strict=True):  # fmt: skip
        assert part in sentence


def test_known_are_the_criteria_of_every_set_and_the_uats_of_the_map(connection: Connection) -> None:
    definition = tomllib.loads((PROJECT_ROOT / "data/criteria/v0.toml").read_text("utf-8"))
    known = selecting.known_words(connection)
    assert known.gates == {each["key"] for each in definition["gate"]}
    assert known.scored == {each["key"] for part in ("scored", "judged") for each in definition[part]}
    shipped = json.loads((PROJECT_ROOT / "data/geojson/uat.geojson").read_text("utf-8"))["features"]
    drawn = {each["properties"]["siruta"]: each["properties"]["name_ro"] for each in shipped}
    assert drawn.items() <= known.uats.items()
    assert set(known.uats) == drawn.keys() | {row.uat for row in ROWS if row.uat}


def test_words_of_the_filter_are_those_of_the_database(connection: Connection) -> None:
    """A status or theme added to the tables must be added to the filters."""
    checks = " ".join(connection.scalars(text(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'masterplan.proposal'::regclass"
    )))  # fmt: skip
    for column, words in (("kind", KINDS), ("status", STATUSES), ("author_kind", AUTHOR_KINDS), ("theme", THEMES)):
        listed = re.search(rf"\({column} = ANY \(ARRAY\[(.*?)\]", checks).group(1)
        assert set(re.findall(r"'(\w+)'", listed)) == set(words)


# -- counts and pages ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "column", ["kind", "status", "theme", "uat", "author_kind", "channel", "recommendation"]
)
def test_counts_by_a_column(connection: Connection, column: str) -> None:
    wanted = from_words(max_score=60)
    expected: dict[str | None, int] = {}
    for row in ROWS:
        if means(wanted, row):
            expected[getattr(row, column)] = expected.get(getattr(row, column), 0) + 1
    assert selecting.counts_by(connection, wanted, column) == expected


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("order", selecting.ORDERS)
def test_pages_join_to_the_whole_in_order(connection: Connection, order: str, descending: bool) -> None:
    whole = []
    while part := selecting.page(connection, EVERYTHING, order, descending, limit=70, offset=len(whole)):
        whole += part
    assert sorted(row.receipt for row in whole) == sorted(row.receipt for row in ROWS)
    if order != "title":  # its order is the database's Romanian collation
        column = {"created": "created_at", "score": "total", "uat": "uat_name"}[order]
        values = [getattr(row, column) for row in whole]
        present = [value for value in values if value is not None]
        assert present == sorted(present, reverse=descending)
        assert all(value is None for value in values[len(present) :])


def test_a_row_of_the_table_says_what_is_stored(connection: Connection) -> None:
    names = dict(connection.execute(text(
        "SELECT properties->>'siruta', name_ro FROM masterplan.current_feature WHERE layer_id = 'uat'"
    )).all())  # fmt: skip
    stored = {row.receipt: row for row in ROWS}
    for shown in selecting.page(connection, EVERYTHING, limit=500):
        row = stored[shown.receipt]
        for name in ("kind", "status", "theme", "title", "uat", "total", "coverage", "recommendation", "created_at"):
            assert getattr(shown, name) == getattr(row, name)
        assert shown.uat_name == names.get(row.uat)
    assert names["95060"] == "Iași"


# -- one -----------------------------------------------------------------------------------


def test_one_in_full(connection: Connection) -> None:
    for row in ROWS[:40]:
        found = selecting.one(connection, row.receipt)
        assert found.results == row.results
        assert (found.description, found.budget_lei) == (row.description, row.budget_lei)
        shape = shapely.geometry.shape(found.geometry)
        assert shape.equals_exact(row.degrees, 1e-7) or shape.normalize().equals_exact(row.degrees.normalize(), 1e-7)
        assert shape.distance(shapely.Point(found.lon, found.lat)) < 1e-5
        assert (found.measured_edition is None) == (row.results is None)


def test_one_hides_what_the_actor_may_not_see(connection: Connection) -> None:
    hidden = next(row for row in ROWS if row.status == "hidden")
    public = next(row for row in ROWS if row.status == "published")
    act_as(connection, VISITOR)
    assert selecting.one(connection, public.receipt).receipt == public.receipt
    for receipt in (hidden.receipt, "no-such", "'; --"):
        with pytest.raises(NotFound):
            selecting.one(connection, receipt)


def test_a_uat_representative_sees_theirs_and_what_is_public(connection: Connection) -> None:
    act_as(connection, Actor(Role.UAT, uats=("95060",)))
    expected = {row.receipt for row in ROWS if row.status == "published" or row.on_behalf_of == "95060"}
    assert _selected(connection, EVERYTHING) == expected
