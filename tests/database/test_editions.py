"""Editions: publishing freezes, change-sets become versions, loads keep what was decided, two editions compared."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pytest
from matrix_world import World, make_world
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from layers import editions
from layers.catalogue import catalogue, shipped_file
from layers.editions import Calendar, composed_export, differences, publish, set_calendar, stored_export
from layers.loading import Options, load_file
from masterplan import database
from masterplan.actors import SYSTEM, VISITOR, Actor, Role
from masterplan.database import owner_transaction, transaction
from masterplan.errors import Forbidden, InputError, NotFound
from masterplan.permissions import Thing
from proposals import plan_changes, receipts
from proposals.deciding import Action, Outcome
from proposals.decisions import Recommendation, recommend, take
from proposals.plan_changes import ADD, CHANGE, REMOVE, GivenChange
from tests.command_line import run

pytestmark = pytest.mark.database

LINE = {"type": "LineString", "coordinates": [[27.55, 47.15], [27.60, 47.17]]}


@pytest.fixture
def administrator(fresh_database: str) -> Iterator[Connection]:
    engine = create_engine(database.admin_url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def world(administrator: Connection) -> World:
    made = make_world(administrator)
    administrator.execute(text("UPDATE masterplan.decision_setting SET answer_days = 0"))
    return made


@pytest.fixture
def proposal(administrator: Connection, world: World) -> str:
    """A public proposal that the criteria recommend; its tracking code."""
    code, number = receipts.code(12_345), world.numbers[world.others[Thing.PROPOSAL]]
    administrator.execute(text("UPDATE masterplan.proposal SET status = 'published', receipt = :c WHERE id = :n"),
                          {"c": code, "n": number})  # fmt: skip
    administrator.execute(text("UPDATE masterplan.score SET recommendation = 'integrate' WHERE proposal_id = :n"),
                          {"n": number})  # fmt: skip
    return code


def planner(world: World) -> Actor:
    return world.actors[Role.PLANNER]


def decide(world: World, code: str) -> None:
    recommend(code, Recommendation(Outcome.INTEGRATE, ("meets_criteria",)), planner(world))
    take(code, Action.CONFIRM, world.actors[Role.ADMINISTRATOR])
    take(code, Action.PUBLISH, world.actors[Role.ADMINISTRATOR])


def given(action: str = ADD, layer: str = "radials", **more: object) -> GivenChange:
    words = {"name_ro": "Radiala nouă", "name_en": "New radial", "status": "proposed"}
    return GivenChange(action, layer, **({} if action == REMOVE else words | {"geometry": LINE}) | more)


def published() -> editions.Edition:
    with transaction(SYSTEM) as connection:
        return publish(connection)


def first_feature(layer: str) -> str:
    with transaction(VISITOR) as connection:
        return connection.scalar(text("SELECT min(feature_id COLLATE \"C\") FROM masterplan.current_feature"
                                      " WHERE layer_id = :l"), {"l": layer})  # fmt: skip


def named_in_plan(layer: str, feature: str) -> str | None:
    with transaction(VISITOR) as connection:
        return connection.scalar(text("SELECT name_ro FROM masterplan.current_feature WHERE layer_id = :l"
                                      " AND feature_id = :f"), {"l": layer, "f": feature})  # fmt: skip


# -- publishing ------------------------------------------------------------------------------


def test_publishing_freezes_the_draft_and_opens_the_next(fresh_database: str):
    edition = published()
    with transaction(VISITOR) as connection:
        known = editions.editions(connection)
        content = stored_export(connection, 1)
        features = connection.scalar(text("SELECT count(*) FROM masterplan.current_feature f JOIN masterplan.layer l"
                                          " ON l.id = f.layer_id WHERE l.kind = 'plan'"))  # fmt: skip
        held = connection.scalar(text("SELECT count(*) FROM masterplan.features_of(1)"))
        every = connection.scalar(text("SELECT count(*) FROM masterplan.current_feature"))
    assert [(each.id, each.status) for each in known] == [(2, "draft"), (1, "published")]
    assert sha256(content).hexdigest() == edition.sha256 == known[1].sha256
    document = json.loads(content)
    assert document["edition"] == {
        "id": 1, "label": "Ediția 1", "published_at": edition.published_at.astimezone(UTC).isoformat(),
    }  # fmt: skip
    assert len(document["features"]) == features
    assert {feature["properties"]["edition"] for feature in document["features"]} == {1}
    assert set(document["layers"]) == {layer.id for layer in catalogue().layers if layer.shipped}
    assert document["indicative"]["ro"] and document["disclaimer"]["ro"]
    assert held == every


def _random_actions(world: World, dice: random.Random, files: dict[str, str], folder) -> Iterator[str]:
    """Whatever people, planners and the owner do with a plan, allowed or not."""
    staff, layers = planner(world), sorted(files)
    while True:
        layer = dice.choice(layers)
        action = dice.choice(("load", "prepare", "drop", "adjust", "seize", "seize", "calendar", "publish", "delete"))
        try:
            if action == "load":
                document = json.loads(files[layer])
                kept = [f for f in document["features"] if dice.random() > 0.1]
                for feature in kept:
                    if dice.random() < 0.2:
                        feature["properties"]["name_ro"] = f"Altfel {dice.randrange(1000)}"
                path = folder / f"{layer}.geojson"
                path.write_text(json.dumps(document | {"features": kept}), "utf-8")
                load_file(path, layer, Options(source="probă"))
            elif action == "prepare":
                plan_changes.prepare(receipts.code(12_345), given(), staff)
            elif action in ("drop", "adjust"):
                with transaction(SYSTEM) as connection:
                    known = list(connection.scalars(text("SELECT id FROM masterplan.plan_change")))
                chosen = dice.choice([0, *known])
                plan_changes.drop(chosen, staff) if action == "drop" else plan_changes.adjust(chosen, given(), staff)
            elif action == "seize":
                _seize(dice, layer)
            elif action == "calendar":
                opens = date(2026, 1, 1) + timedelta(days=dice.randrange(100))
                with transaction(staff) as connection:
                    set_calendar(connection, Calendar("Altă ediție", opens, opens + timedelta(days=dice.randrange(30))))
            elif action == "publish":
                with transaction(staff) as connection:
                    publish(connection)
            else:
                with owner_transaction() as connection:
                    connection.execute(text("DELETE FROM masterplan.feature WHERE layer_id = :l"), {"l": layer})
        except (Forbidden, InputError, NotFound, DBAPIError):
            action += " refused"
        yield action


_SEIZING = (
    "UPDATE masterplan.feature SET name_ro = 'Furată' WHERE layer_id = :l",
    "UPDATE masterplan.feature SET geom = ST_Translate(geom, 1, 0) WHERE layer_id = :l",
    "UPDATE masterplan.feature SET versions = int4range(2, NULL) WHERE layer_id = :l",
    "UPDATE masterplan.edition SET sha256 = 'x' WHERE id = 1",
    "UPDATE masterplan.edition SET status = 'draft' WHERE id = 1",
    "UPDATE masterplan.edition_export SET content = '' WHERE edition = 1",
    "UPDATE masterplan.edition_layer SET version = version + 1",
    "DELETE FROM masterplan.edition_layer WHERE layer_id = :l",
    "DELETE FROM masterplan.layer_version WHERE layer_id = :l AND version = 1",
    "UPDATE masterplan.layer_version SET source = 'x' WHERE layer_id = :l AND version = 1",
    "TRUNCATE masterplan.edition_export",
    "TRUNCATE masterplan.feature CASCADE",
)


def _seize(dice: random.Random, layer: str) -> None:
    statement = dice.choice(_SEIZING)
    with owner_transaction() as connection:
        connection.execute(text(statement), {"l": layer} if ":l" in statement else {})


def test_after_two_hundred_random_actions_a_published_edition_is_the_same_bytes(world: World, proposal: str, tmp_path):
    published()
    with transaction(VISITOR) as connection:
        before = stored_export(connection, 1)
        assert composed_export(connection, 1) == before
        held = _held(connection)
    files = {layer: shipped_file(layer).read_text("utf-8") for layer in ("rings", "radials", "heat", "strategic_zones")}
    actions = _random_actions(world, random.Random(6), files, tmp_path)
    done = [next(actions) for _ in range(200)]
    for needed in ("load", "prepare", "drop", "adjust", "calendar", "publish", "seize refused", "delete refused"):
        assert needed in done, needed
    with transaction(VISITOR) as connection:
        assert stored_export(connection, 1) == before
        assert composed_export(connection, 1) == before
        assert _held(connection) == held
        assert editions.edition(connection, 1).sha256 == sha256(before).hexdigest()


def _held(connection: Connection) -> list[tuple]:
    return list(map(tuple, connection.execute(text(
        "SELECT layer_id, feature_id, name_ro, properties::text, ST_AsBinary(geom) FROM masterplan.features_of(1)"
        " ORDER BY layer_id, feature_id"
    ))))  # fmt: skip


@pytest.fixture(scope="module")
def superuser(database_name: str) -> Iterator[Connection]:
    """The server's administrator, in the module's database, where an edition is published."""
    published()
    engine = create_engine(database.admin_url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.mark.parametrize("statement", _SEIZING)
def test_not_even_a_superuser_changes_what_was_published(superuser: Connection, statement: str):
    with pytest.raises(DBAPIError, match="a published edition never changes"):
        superuser.execute(text(statement), {"l": "rings"} if ":l" in statement else {})


def test_only_staff_publish(database_name: str):
    for role in (Role.VISITOR, Role.STAKEHOLDER):
        with pytest.raises(DBAPIError, match="permission denied"), transaction(Actor(role, user="1")) as connection:
            publish(connection)


def test_the_database_forbids_two_versions_of_a_feature_in_one_edition(administrator: Connection):
    with pytest.raises(DBAPIError, match="exclusion"):
        administrator.execute(text("""
            INSERT INTO masterplan.feature (layer_id, feature_id, versions, editions, name_ro, name_en, properties,
                source, source_date, indicative, geom)
            SELECT layer_id, feature_id, 'empty', editions, name_ro, name_en, properties, source, source_date,
                indicative, geom FROM masterplan.feature WHERE layer_id = 'rings' LIMIT 1
        """))


# -- the calendar ----------------------------------------------------------------------------


@pytest.mark.parametrize(("opens", "closes"), [
    (date(2026, 3, 2), date(2026, 3, 11)), (date(2026, 3, 2), None), (None, date(2026, 3, 2)),
])  # fmt: skip
def test_a_consultation_lasts_ten_days(database_name: str, opens, closes):
    with pytest.raises(InputError) as refused, transaction(SYSTEM) as connection:
        set_calendar(connection, Calendar("Ediția 1", opens, closes))
    assert [name for name, _ in refused.value.faults] == ["closes_on"]


def test_the_database_too_wants_ten_days(administrator: Connection):
    with pytest.raises(DBAPIError, match="ten_days"):
        administrator.execute(text("UPDATE masterplan.edition SET opens_on = '2026-03-02', closes_on = '2026-03-11'"))
    administrator.execute(text("UPDATE masterplan.edition SET opens_on = '2026-03-02', closes_on = '2026-03-12'"))


def test_a_draft_whose_consultation_is_open_is_not_published(fresh_database: str):
    today = datetime.now(UTC).date()
    with transaction(SYSTEM) as connection:
        set_calendar(connection, Calendar("Prima", today - timedelta(days=9), today + timedelta(days=1)))
    with pytest.raises(Forbidden, match="open until"):
        published()
    with transaction(SYSTEM) as connection:
        days = today - timedelta(days=20), today - timedelta(days=2)
        set_calendar(connection, Calendar("Prima", *days, "PV 3", "HCL 7"))
    edition = published()
    assert (edition.label, edition.minutes, edition.adopting_act) == ("Prima", "PV 3", "HCL 7")


# -- change-sets -----------------------------------------------------------------------------


def test_an_integrated_proposal_becomes_a_feature_that_names_it(world: World, proposal: str, administrator: Connection):
    published()
    number = plan_changes.prepare(proposal, given(), planner(world))
    with pytest.raises(Forbidden, match="No published decision"):
        plan_changes.apply(proposal, planner(world))
    decide(world, proposal)
    plan_changes.adjust(number, given(name_ro="Radiala nouă, mai scurtă", geometry=None), planner(world))
    assert plan_changes.apply(proposal, planner(world)) == 1
    with transaction(VISITOR) as connection:
        found = differences(connection, 1, 2)
        cause = plan_changes.causes(connection, [found[0].proposal_id])[found[0].proposal_id]
    shown = administrator.execute(text("SELECT edition, proposal FROM api.radials WHERE id = :f"),
                                  {"f": found[0].feature_id}).one()  # fmt: skip
    assert [(each.what, each.layer_id, each.name_ro) for each in found] == [
        ("added", "radials", "Radiala nouă, mai scurtă")
    ]
    assert found[0].feature_id == proposal.lower()
    assert cause.receipt == proposal
    assert cause.reason["ro"]
    assert tuple(shown) == (2, proposal)
    events = list(administrator.scalars(text("SELECT kind FROM masterplan.event WHERE kind = 'plan_changed'")))
    assert events == ["plan_changed"]
    with pytest.raises(Forbidden):
        plan_changes.drop(number, planner(world))


def test_change_and_remove_are_seen_between_editions_with_their_cause(world: World, proposal: str):
    published()
    ring, radial = first_feature("rings"), first_feature("radials")
    with transaction(VISITOR) as connection:
        kept = {f.feature_id: f for f in plan_changes.features_to_choose(connection, "rings")}[ring]
    changed = GivenChange(CHANGE, "rings", ring, "Alt nume", kept.name_en, kept.status, kept.properties)
    plan_changes.prepare(proposal, changed, planner(world))
    plan_changes.prepare(proposal, given(REMOVE, feature_id=radial), planner(world))
    decide(world, proposal)
    assert plan_changes.apply(proposal, planner(world)) == 2
    published()
    with transaction(VISITOR) as connection:
        forth, back = differences(connection, 1, 2), differences(connection, 2, 1)
        content = json.loads(stored_export(connection, 2))
    number = world.numbers[world.others[Thing.PROPOSAL]]
    assert [(d.what, d.feature_id, d.proposal_id) for d in forth] == [
        ("changed", ring, number), ("removed", radial, number),
    ]  # fmt: skip
    assert forth[0].fields == {"name_ro": (kept.name_ro, "Alt nume")}
    assert [(d.what, d.feature_id) for d in back] == [("changed", ring), ("added", radial)]
    of = {f["id"]: f["properties"] for f in content["features"]}
    assert (of[f"rings/{ring}"]["edition"], of[f"rings/{ring}"]["proposal"]) == (2, proposal)
    assert f"radials/{radial}" not in of


def test_differences_agree_with_a_plain_comparison_of_the_two_exports(fresh_database: str, tmp_path):
    published()
    document = json.loads(shipped_file("strategic_zones").read_text("utf-8"))
    first, second, third, *_ = document["features"]
    first["properties"]["name_ro"] = "Alt nume"
    second["geometry"]["coordinates"][0][0][0] += 0.0001
    second["geometry"]["coordinates"][0][-1] = second["geometry"]["coordinates"][0][0]
    document["features"].remove(third)
    document["features"].append(json.loads(json.dumps(first)) | {"id": "noua"})
    path = tmp_path / "zones.geojson"
    path.write_text(json.dumps(document), "utf-8")
    load_file(path, "strategic_zones", Options(source=first["properties"]["source"]))
    published()
    with transaction(VISITOR) as connection:
        a, b = (
            {f["id"]: f for f in json.loads(stored_export(connection, number))["features"]} for number in (1, 2)
        )
        found = {f"{d.layer_id}/{d.feature_id}": d.what for d in differences(connection, 1, 2)}
    expected = {key: "removed" for key in a.keys() - b.keys()} | {key: "added" for key in b.keys() - a.keys()}
    for key in a.keys() & b.keys():
        words = ({n: v for n, v in f["properties"].items() if n not in _NOT_COMPARED} for f in (a[key], b[key]))
        changed = len({json.dumps(each, sort_keys=True) for each in words}) > 1
        moved = a[key]["geometry"] != b[key]["geometry"]
        if changed or moved:
            expected[key] = "moved_and_changed" if changed and moved else "moved" if moved else "changed"
    assert found == expected
    assert sorted(expected.values()) == ["added", "changed", "moved", "removed"]


_NOT_COMPARED = {"source", "source_date", "indicative", "edition", "proposal"}


WRONG = [
    ({"layer": "heat"}, "layer_id"), ({"name_ro": " "}, "name_ro"), ({"status": "planned"}, "status"),
    ({"properties": {"nonsense": 1}}, "nonsense"), ({"properties": {"road": 7}}, "road"),
    ({"geometry": {"type": "Point", "coordinates": [27.6, 47.1]}}, "geometry"),
    ({"geometry": {"type": "LineString", "coordinates": [[27.6, 47.1], [27.6, 47.1]]}}, "geometry"),
    ({"geometry": None}, "geometry"), ({"name_ro": "", "status": "planned"}, "name_ro status"),
]  # fmt: skip


def test_all_that_is_wrong_with_a_change_is_said(world: World, proposal: str):
    for wrong, fields in WRONG:
        with pytest.raises(InputError) as refused:
            plan_changes.prepare(proposal, given(**wrong), planner(world))
        assert [name for name, _ in refused.value.faults] == fields.split(), wrong


def test_changes_are_staffs_and_about_one_feature_once(world: World, proposal: str):
    with pytest.raises(Forbidden):
        plan_changes.prepare(proposal, given(), world.actors[Role.UAT])
    ring = first_feature("rings")
    plan_changes.prepare(proposal, given(REMOVE, layer="rings", feature_id=ring), planner(world))
    with pytest.raises(InputError, match="Another prepared change"):
        plan_changes.prepare(proposal, given(REMOVE, layer="rings", feature_id=ring), planner(world))
    with pytest.raises(NotFound):
        plan_changes.prepare(proposal, given(REMOVE, feature_id="nowhere"), planner(world))
    with pytest.raises(DBAPIError, match="permission denied"), transaction(world.actors[Role.UAT]) as connection:
        connection.execute(text("SELECT masterplan.apply_changes(1)"))


# -- loads and decisions ---------------------------------------------------------------------


def test_a_load_keeps_what_was_decided_until_the_file_says_something_new(world: World, proposal: str, tmp_path):
    ring, other_ring = "ring-r1", "ring-r3"
    plan_changes.prepare(proposal, given(layer="rings"), planner(world))
    plan_changes.prepare(proposal, given(CHANGE, "rings", feature_id=ring, geometry=None), planner(world))
    plan_changes.prepare(proposal, given(REMOVE, "rings", feature_id=other_ring), planner(world))
    decide(world, proposal)
    plan_changes.apply(proposal, planner(world))
    added = proposal.lower()
    document = json.loads(shipped_file("rings").read_text("utf-8"))
    source = document["features"][0]["properties"]["source"]

    def load() -> None:
        path = tmp_path / "rings.geojson"
        path.write_text(json.dumps(document), "utf-8")
        load_file(path, "rings", Options(source=source))

    run("layers", "load")  # the shipped ones, as at every start
    load()
    assert named_in_plan("rings", added) == named_in_plan("rings", ring) == "Radiala nouă"
    assert named_in_plan("rings", other_ring) is None
    for feature in document["features"]:
        if feature["id"] in (ring, other_ring):
            feature["properties"]["name_ro"] = "Din fișier"
    load()
    assert named_in_plan("rings", added) == "Radiala nouă"
    assert named_in_plan("rings", ring) == named_in_plan("rings", other_ring) == "Din fișier"


# -- the command -----------------------------------------------------------------------------


def test_the_commands(world: World, proposal: str, tmp_path):
    planned = json.loads(run("editions", "calendar", "--label", "Prima", "--opens", "2026-01-05", "--closes",
                             "2026-01-20", "--json").stdout)  # fmt: skip
    assert (planned[0]["label"], planned[0]["closes_on"]) == ("Prima", "2026-01-20")
    first = json.loads(run("editions", "publish", "--json").stdout)
    plan_changes.prepare(proposal, given(), planner(world))
    decide(world, proposal)
    plan_changes.apply(proposal, planner(world))
    found = json.loads(run("editions", "diff", 1, 2, "--json").stdout)
    assert [(f["what"], f["proposal"]) for f in found["features"]] == [("added", proposal)]
    assert found["features"][0]["reason_ro"]
    assert "added" in run("editions", "diff", 1, 2).stdout
    rows = json.loads(run("editions", "list", "--json").stdout)
    assert [(row["edition"], row["status"], row["sha256"]) for row in rows] == [
        (2, "draft", None), (1, "published", first["sha256"]),
    ]  # fmt: skip
    path = tmp_path / "edition.geojson"
    told = json.loads(run("editions", "export", 1, "-o", path, "--json").stdout)
    assert sha256(path.read_bytes()).hexdigest() == told["sha256"] == first["sha256"]
    assert "not published yet" in run("editions", "export", 2, "-o", path, expect=1).stderr
    assert "no edition 9" in run("editions", "diff", 1, 9, expect=1).stderr
