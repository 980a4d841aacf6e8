"""One drawn geometry and every proposal: the same numbers, stored, marked stale, scored again."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import replace

import measures_world as worlds
import pytest
import shapely
from shapely.geometry import LineString, Point
from sqlalchemy import text

from masterplan import database
from masterplan.actors import SYSTEM, VISITOR
from masterplan.place import place
from proposals import measuring
from proposals.criteria import THEMES, measure_specs
from proposals.measuring import (
    Candidate,
    LayersChanging,
    mark_stale,
    measure_all,
    measure_one,
    measure_what_changed,
    score_all,
    score_measured,
    sets_in_use,
    stale_ids,
    store_one,
)

pytestmark = pytest.mark.database

WORLD = worlds.invent(seed=2)
AUTHORS = ("company", "citizen", "uat", "institution")


@pytest.fixture(scope="module", autouse=True)
def world(database_name):
    with database.owner_transaction() as connection:
        worlds.store(connection, WORLD, accuracy_m=20)


def to_degrees(connection, geometry: shapely.Geometry) -> bytes:
    """WKB in EPSG:4326 of a geometry in the storage CRS, by PostGIS itself."""
    return bytes(connection.scalar(
        text("SELECT ST_AsBinary(ST_Transform(ST_GeomFromWKB(:g, :srid), 4326))"),
        {"g": shapely.to_wkb(geometry), "srid": place().storage_srid},
    ))  # fmt: skip


def insert(connection, candidate: Candidate, status: str = "published") -> int:
    """A proposal stored the way a submission is: transformed by PostGIS from EPSG:4326."""
    return connection.scalar(text("""
        INSERT INTO masterplan.proposal (receipt, submission_key, kind, status, channel, author_kind, theme,
            title, description, geom, on_behalf_of, budget_lei, attributes, criteria_set, edition)
        VALUES (CAST(:key AS text), CAST(:key AS uuid), :kind, :status, 'online', :author, :theme,
            'Titlu', '',
            ST_Transform(ST_GeomFromWKB(:geometry, 4326), :srid), :uat, :budget,
            CAST(:attributes AS jsonb), 'v0', 1)
        RETURNING id"""), {
        "key": str(uuid.uuid4()), "kind": candidate.kind, "status": status, "author": candidate.author_kind,
        "theme": candidate.theme, "geometry": candidate.geometry, "srid": place().storage_srid,
        "uat": candidate.on_behalf_of, "budget": candidate.budget_lei,
        "attributes": json.dumps(dict(candidate.attributes)),
    })  # fmt: skip


def candidates(connection, count: int = 150) -> list[Candidate]:
    dice = random.Random(3)
    found = []
    for number in range(count):
        x, y = worlds.place(dice, margin=800)
        area = worlds.blob(dice, x, y, dice.uniform(20, 900))
        shape = [Point(x, y), worlds.walk(dice, x, y, 6, 300), area][number % 3]
        kind = dice.choice(["observation", "proposal"])
        found.append(Candidate(
            to_degrees(connection, shape), dice.choice(THEMES), kind, dice.choice(AUTHORS),
            dice.choice(["95060", "97679"]) if kind == "proposal" else None,
            dice.choice([None, 2e7]), {"co2_saved_t_year": dice.randint(1, 900), "co2_proof": "calculation"},
        ))  # fmt: skip
    return found


def stored(connection, table: str, proposal_id: int):
    return connection.execute(
        text(f"SELECT * FROM masterplan.{table} WHERE proposal_id = :id"), {"id": proposal_id}
    ).one()


def test_one_and_all_give_identical_measures_and_scores(connection):
    rules = sets_in_use(connection)["v0"]
    drawn = candidates(connection)
    ids = [insert(connection, candidate) for candidate in drawn]
    told: list[float] = []
    assert measure_all(connection, ids, told.append) == len(ids)
    assert score_all(connection, ids) == len(ids)
    assert told[-1] == 1
    for proposal_id, candidate in zip(ids, drawn, strict=True):
        alone = measure_one(connection, candidate, [rules])
        together, kept = (
            stored(connection, "measurement", proposal_id),
            stored(connection, "score", proposal_id),
        )
        assert alone.measures == together.measures
        assert alone.layer_versions == together.layer_versions
        assert (alone.edition, together.stale) == (together.edition, False)
        score = score_measured(alone, rules)
        assert (score.total, score.coverage, score.recommendation) == (
            kept.total,
            kept.coverage,
            kept.recommendation,
        )
        assert score.results == kept.results


def test_what_is_stored_at_submission_is_what_rescoring_would_store(connection):
    rules = sets_in_use(connection)["v0"]
    for candidate in candidates(connection, 12):
        proposal_id = insert(connection, candidate)
        measured = measure_one(connection, candidate, [rules])
        store_one(connection, proposal_id, measured, rules, score_measured(measured, rules))
        first = [stored(connection, table, proposal_id)._asdict() for table in ("measurement", "score")]
        measure_all(connection, [proposal_id])
        score_all(connection, [proposal_id])
        again = [stored(connection, table, proposal_id)._asdict() for table in ("measurement", "score")]
        for before, after in zip(first, again, strict=True):
            assert {k: v for k, v in before.items() if not k.endswith("_at")} == {
                k: v for k, v in after.items() if not k.endswith("_at")}  # fmt: skip


def test_a_visitor_measures_the_same_in_one_round_trip(connection):
    rules = sets_in_use(connection)["v0"]
    candidate = candidates(connection, 3)[2]
    expected = measure_one(connection, candidate, [rules])
    database.act_as(connection, VISITOR)
    assert measure_one(connection, candidate, [rules]) == expected
    database.act_as(connection, SYSTEM)


def test_only_what_some_criterion_asks_of_the_theme_is_measured(connection):
    rules = sets_in_use(connection)["v0"]
    candidate = Candidate(
        to_degrees(connection, Point(worlds.WEST + 5000, worlds.SOUTH + 5000)), "green_blue"
    )
    measured = measure_one(connection, candidate, [rules])
    asked = {c.spec.key for c in (*rules.gates, *rules.scored) if c in rules.asked("green_blue", "point")}
    assert set(measured.measures) == asked < set(measure_specs([rules]))


def test_a_line_continues_a_public_line_of_another_uat_only(connection):
    rules = sets_in_use(connection)["v0"]
    away = (worlds.WEST - 60_000, worlds.SOUTH - 60_000)
    near_end = LineString([(away[0] + 30, away[1]), (away[0] - 900, away[1])])
    drawn = to_degrees(connection, LineString([away, (away[0] + 5000, away[1])]))
    new = Candidate(drawn, "mobility", "proposal", "uat", "95060")
    (key,) = (key for key in measure_specs([rules]) if key.startswith("network_continuity"))

    def continuity() -> float:
        return measure_one(connection, new, [rules]).measures[key]["value"]

    assert continuity() == 0
    theirs = Candidate(to_degrees(connection, near_end), "mobility", "proposal", "uat", "97679")
    insert(connection, theirs, status="submitted")
    assert continuity() == 0
    insert(connection, Candidate(theirs.geometry, "mobility", "proposal", "uat", "95060"))
    assert continuity() == 0
    insert(connection, theirs)
    assert continuity() == 50
    ids = [insert(connection, new)]
    measure_all(connection, ids)
    assert stored(connection, "measurement", ids[0]).measures[key]["value"] == 50


def test_a_sketch_in_the_database_vetoes_nothing(connection):
    rules = sets_in_use(connection)["v0"]
    drawn = candidates(connection, 60)
    official = [score_measured(measure_one(connection, candidate, [rules]), rules) for candidate in drawn]
    assert any(
        r["verdict"] == "fail" for score in official for r in score.results.values() if r["kind"] == "gate"
    )
    for candidate in drawn:
        measured = measure_one(connection, candidate, [rules])
        sketches = {
            layer: type(fact)(fact.version, True, fact.accuracy_m) for layer, fact in measured.layers.items()
        }
        score = score_measured(type(measured)(measured.subject, measured.measures, sketches, 1), rules)
        assert all(r.get("verdict") != "fail" for r in score.results.values())


def test_a_new_layer_version_makes_measures_stale_until_measured_again(fresh_database):
    with database.owner_transaction() as connection:
        worlds.store(connection, WORLD)
    with database.transaction(SYSTEM) as connection:
        ids = [insert(connection, candidate) for candidate in candidates(connection, 9)]
        measure_all(connection)
        score_all(connection)
        assert mark_stale(connection, "heat") == 0
    with database.owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.layer SET version = 2 WHERE id = 'heat'"))
        connection.execute(
            text("""
            INSERT INTO masterplan.layer_version
            SELECT layer_id, 2, edition, source, source_date, true, accuracy_m, feature_count, '', now()
            FROM masterplan.layer_version WHERE layer_id = 'heat'""")
        )
    with database.transaction(SYSTEM) as connection:
        assert mark_stale(connection, "heat") == 9
        assert mark_stale(connection, "heat") == 0
        assert stale_ids(connection) == ids
        # Scored from old measures, a result still says the version it was measured on.
        score_all(connection)
        versions = text("""SELECT DISTINCT (r.value ->> 'layer_version')::int FROM masterplan.score,
            jsonb_each(results) r WHERE r.value ->> 'layer' = 'heat'""")
        assert list(connection.scalars(versions)) == [1]
        measure_all(connection, stale_ids(connection))
        score_all(connection, ids)
        assert stale_ids(connection) == []
        assert list(connection.scalars(versions)) == [2]


def test_after_a_layer_changed_only_what_reads_it_is_measured_again(fresh_database):
    with database.owner_transaction() as connection:
        worlds.store(connection, WORLD)
    with database.transaction(SYSTEM) as connection:
        ids = [insert(connection, candidate) for candidate in candidates(connection, 30)]
        measure_all(connection)
        # What is not measured again keeps this mark.
        connection.execute(text("""UPDATE masterplan.measurement SET measures =
            (SELECT jsonb_object_agg(key, value || '{"mark": true}') FROM jsonb_each(measures))"""))
    warmer = [f.properties | {"anomaly_c": f.properties["anomaly_c"] + 1} for f in WORLD["heat"]]
    hotter = [replace(f, properties=facts) for f, facts in zip(WORLD["heat"], warmer, strict=True)]
    with database.owner_transaction() as connection:
        worlds.store(connection, WORLD | {"heat": hotter})
        connection.execute(text("""UPDATE masterplan.layer_version SET version = 2 WHERE layer_id = 'heat'"""))
        connection.execute(text("UPDATE masterplan.layer SET version = 2 WHERE id = 'heat'"))
    with database.transaction(SYSTEM) as connection:
        assert mark_stale(connection, "heat") == 30
        assert measure_what_changed(connection, ids) == 30
        assert stale_ids(connection) == []
        partly = {id_: stored(connection, "measurement", id_) for id_ in ids}
        measure_all(connection, ids)
        wholly = {id_: stored(connection, "measurement", id_) for id_ in ids}
    asked = 0
    for id_ in ids:
        assert partly[id_].layer_versions == wholly[id_].layer_versions
        assert partly[id_].measures.keys() == wholly[id_].measures.keys()
        for key, answer in partly[id_].measures.items():
            again = not answer.pop("mark", False)
            assert again == (".heat." in key)
            assert answer == wholly[id_].measures[key]
            asked += again
    assert asked > 10


def test_what_was_never_measured_is_measured_wholly(fresh_database):
    with database.owner_transaction() as connection:
        worlds.store(connection, WORLD)
    with database.transaction(SYSTEM) as connection:
        ids = [insert(connection, candidate) for candidate in candidates(connection, 6)]
        assert measure_what_changed(connection, ids) == 6
        found = {id_: stored(connection, "measurement", id_).measures for id_ in ids}
        measure_all(connection, ids)
        assert found == {id_: stored(connection, "measurement", id_).measures for id_ in ids}


def heat_changes() -> None:
    with database.owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.layer_version SET version = version + 1 WHERE layer_id = 'heat'"))
        connection.execute(text("UPDATE masterplan.layer SET version = version + 1 WHERE id = 'heat'"))


@pytest.mark.parametrize("again", [measure_all, measure_what_changed])
def test_a_layer_that_changes_while_others_are_measured_is_measured_again(fresh_database, monkeypatch, again):
    """What is stored says the versions of before, so that the job of the second layer finds it stale."""
    with database.owner_transaction() as connection:
        worlds.store(connection, WORLD)
    with database.transaction(SYSTEM) as connection:
        ids = [insert(connection, candidate) for candidate in candidates(connection, 3)]
    keep, changed = measuring.keep_outlines, []

    def keep_while_a_layer_is_loaded(connection, specs) -> None:
        keep(connection, specs)
        if not changed:
            changed.append(True)
            heat_changes()

    monkeypatch.setattr(measuring, "keep_outlines", keep_while_a_layer_is_loaded)
    with database.transaction(SYSTEM) as connection:
        again(connection, ids)
    with database.transaction(SYSTEM) as connection:
        assert mark_stale(connection, "heat") == 3


def test_a_measurement_that_no_outline_is_ready_for_is_tried_again_and_then_given_up(connection, monkeypatch):
    rules, (candidate,) = sets_in_use(connection)["v0"], candidates(connection, 1)
    attempts = []
    monkeypatch.setattr(measuring, "keep_outlines", lambda connection, specs: attempts.append(1))
    with database.owner_transaction() as owner:
        owner.execute(text("DELETE FROM masterplan.outline"))
    with pytest.raises(LayersChanging):
        measure_one(connection, candidate, [rules])
    assert len(attempts) == 3


def test_what_was_measured_before_a_criteria_set_came_is_measured_wholly(fresh_database):
    with database.owner_transaction() as connection:
        worlds.store(connection, WORLD)
    with database.transaction(SYSTEM) as connection:
        ids = [insert(connection, candidate) for candidate in candidates(connection, 6)]
        measure_all(connection, ids)
        whole = {id_: stored(connection, "measurement", id_).measures for id_ in ids}
        # As after a set that asks for more than was measured.
        connection.execute(text("UPDATE masterplan.measurement SET measures = '{}', measured_at = '2000-01-01'"))
    heat_changes()
    with database.transaction(SYSTEM) as connection:
        measure_what_changed(connection, ids)
        assert {id_: stored(connection, "measurement", id_).measures for id_ in ids} == whole


def test_a_line_that_goes_there_and_back_counts_once(connection):
    rules = sets_in_use(connection)["v0"]
    zone = WORLD["strategic_zones"][0].geometry.centroid
    there, back = (zone.x, zone.y), (zone.x + 40, zone.y + 10)
    way, bus = LineString([there, back]), LineString([there, back, there])
    twice = shapely.MultiLineString([way, way])
    found = [
        measure_one(connection, Candidate(to_degrees(connection, line), "mobility"), [rules]).measures
        for line in (way, bus, twice)
    ]
    assert found[1] == found[0] and found[2] == found[0]


def test_nothing_to_do_is_done_at_once(connection):
    told: list[float] = []
    assert measure_all(connection, [], told.append) == score_all(connection, [], progress=told.append) == 0
    assert told == []


def test_the_real_uats_hold_what_shapely_says_they_hold(shared_data, fresh_database):
    collection = json.loads((shared_data / "uat" / "uat_zmi.geojson").read_text())
    with database.owner_transaction() as connection:
        features = []
        for number, entry in enumerate(collection["features"]):
            wkb = shapely.to_wkb(shapely.geometry.shape(entry["geometry"]))
            stored_shape = connection.scalar(
                text("SELECT ST_AsBinary(ST_MakeValid(ST_Transform(ST_GeomFromWKB(:g, 4326), 3844)))"),
                {"g": wkb},
            )
            facts = {"in_zone": number % 3 > 0, "population": 1000}
            features.append(
                worlds.Feature(f"uat-{number}", shapely.from_wkb(bytes(stored_shape)), properties=facts)
            )
        worlds.store(connection, WORLD | {"uat": features}, accuracy_m=0)
    zone = shapely.union_all([f.geometry for f in features if f.properties["in_zone"]])
    dice = random.Random(5)
    west, south, east, north = zone.bounds
    with database.transaction(SYSTEM) as connection:
        rules = sets_in_use(connection)["v0"]
        (key,) = (key for key in measure_specs([rules]) if key.startswith("zone_membership"))
        words = set()
        for _ in range(60):
            site = worlds.blob(dice, dice.uniform(west, east), dice.uniform(south, north), 3000)
            inside = 100 * site.intersection(zone).area / site.area
            word = "inside" if inside >= 99.999 else "straddles" if inside > 0 else "outside"
            measured = measure_one(connection, Candidate(to_degrees(connection, site), "other"), [rules])
            assert measured.measures[key]["value"] == word
            words.add(word)
        assert words == {"inside", "straddles", "outside"}
