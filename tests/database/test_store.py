"""Storing layers: versions close and open, nothing is overwritten, the same file changes nothing."""

from dataclasses import replace
from datetime import date
from math import log, pi, radians, tan

import pytest
from shapely.geometry import Point, box
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from layers.catalogue import Attribute, Layer, catalogue
from layers.loading import Options, load_file, load_shipped
from layers.store import FeatureRow, load
from masterplan import database
from masterplan.errors import InputError

TRIAL = Layer(
    id="trial", group="mobility", kind="plan", geometry="Polygon", name_ro="Probă", name_en="Trial",
    description_ro="", description_en="", source="test", licence="CC0", source_date=date(2026, 1, 1),
    indicative=True, accuracy_m=10.0,
    attributes=(Attribute("level", "integer", "nivel", "level"), Attribute("tags", "list", "etichete", "tags")),
)  # fmt: skip


@pytest.fixture
def owner(database_name, monkeypatch):
    """The owner's connection, rolled back; the trial layer is in the catalogue."""
    known = catalogue()
    monkeypatch.setattr("layers.store.catalogue", lambda: replace(known, layers=(*known.layers, TRIAL)))
    with database.owner_engine().connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


def row(feature_id: str, level: int, x: float = 27.5) -> FeatureRow:
    return FeatureRow(feature_id, f"Zona {feature_id}", f"Area {feature_id}", "existing",
                      {"level": level, "tags": ["a", "b"]}, "test", date(2026, 1, 1), True,
                      box(x, 47.1, x + 0.01, 47.11))  # fmt: skip


def stored(connection) -> list[tuple]:
    return [tuple(r) for r in connection.execute(text(
        "SELECT feature_id, (properties->>'level')::int, lower(versions), upper(versions) FROM masterplan.feature"
        " WHERE layer_id = 'trial' ORDER BY feature_id, versions"
    ))]  # fmt: skip


def test_a_new_version_closes_what_changed_and_keeps_what_did_not(owner):
    first = load(owner, TRIAL, [row("a", 1), row("b", 1), row("c", 1)], "sha-1")
    assert (first.version, first.opened, first.closed) == (1, 3, 0)
    second = load(owner, TRIAL, [row("a", 1), row("b", 2), row("d", 1)], "sha-2")
    assert (second.version, second.opened, second.closed, second.unchanged) == (2, 2, 2, 1)
    assert stored(owner) == [("a", 1, 1, None), ("b", 1, 1, 2), ("b", 2, 2, None), ("c", 1, 1, 2), ("d", 1, 2, None)]


def test_loading_what_is_current_makes_no_version_and_leaves_no_job(owner):
    load(owner, TRIAL, [row("a", 1)], "sha-1")
    owner.execute(text("DELETE FROM masterplan.job"))
    again = load(owner, TRIAL, [row("a", 1)], "sha-1")
    assert (again.version, again.changed) == (1, False)
    assert owner.scalar(text("SELECT count(*) FROM masterplan.job")) == 0
    assert owner.scalar(text("SELECT count(*) FROM masterplan.layer_version WHERE layer_id = 'trial'")) == 1


def test_a_layer_becoming_official_is_a_new_version_of_the_same_features(owner):
    load(owner, TRIAL, [row("a", 1)], "sha-1")
    official = load(owner, replace(TRIAL, indicative=False), [row("a", 1)], "sha-1")
    assert (official.version, official.opened) == (2, 0)


def test_two_versions_of_one_feature_at_once_are_forbidden_by_the_database(owner):
    load(owner, TRIAL, [row("a", 1)], "sha-1")
    copy = text(
        "INSERT INTO masterplan.feature (layer_id, feature_id, versions, name_ro, name_en, properties, source,"
        " source_date, indicative, geom) SELECT layer_id, feature_id, int4range(5, NULL), name_ro, name_en,"
        " properties, source, source_date, indicative, geom FROM masterplan.feature WHERE layer_id = 'trial'"
    )
    with pytest.raises(IntegrityError, match="exclu"):
        owner.execute(copy)


def test_the_public_view_is_typed(owner):
    load(owner, TRIAL, [row("a", 7)], "sha-1")
    found = owner.execute(text("SELECT id, level, tags, layer_version, indicative FROM api.trial")).one()
    assert tuple(found) == ("a", 7, "a, b", 1, True)


def test_geometry_comes_back_where_it_was(owner):
    load(owner, TRIAL, [row("a", 1)], "sha-1")
    back = owner.execute(text(
        "SELECT ST_XMin(g), ST_YMin(g), ST_XMax(g), ST_YMax(g), ST_SRID(geom) FROM masterplan.feature,"
        " LATERAL (SELECT ST_Transform(geom, 4326) AS g) back WHERE layer_id = 'trial'"
    )).one()  # fmt: skip
    assert tuple(back[:4]) == pytest.approx((27.5, 47.1, 27.51, 47.11), abs=1e-8)
    assert back[4] == 3844


def test_everything_shipped_is_loaded_and_loading_again_changes_nothing(fresh_database):
    shipped = [layer.id for layer in catalogue().layers if layer.shipped]
    assert [(result.layer_id, result.changed) for result in load_shipped()] == [(id_, False) for id_ in shipped]
    with database.owner_transaction() as connection:
        count = connection.scalar(text("SELECT count(DISTINCT layer_id) FROM masterplan.current_feature"))
    assert count == len(shipped)


def test_real_boundaries_replace_the_sketch_and_stay(fresh_database, shared_data):
    options = Options(source="ANCPI (RELUAT), geo-spatial.org", official=True, accuracy_m=11.0,
                      columns={"population": "population_2021"})  # fmt: skip
    report = load_file(shared_data / "uat" / "uat_zmi.geojson", "uat", options)
    assert report.loaded.opened == 29
    with database.owner_transaction() as connection:
        facts = connection.execute(text(
            "SELECT count(*), sum((properties->>'population')::int), bool_and(NOT indicative),"
            " count(*) FILTER (WHERE (properties->>'in_zone')::boolean) FROM masterplan.current_feature"
            " WHERE layer_id = 'uat'"
        )).one()  # fmt: skip
    # 29 UATs; the sum of their populations in the census of 2021; all but Dumești in the zone.
    assert tuple(facts) == (29, 459_513, True, 28)
    assert "uat" not in [result.layer_id for result in load_shipped()]


def test_a_file_read_again_with_another_mapping_is_read_otherwise(fresh_database, tmp_path):
    file = tmp_path / "rivers.geojson"
    file.write_text("""{"type": "FeatureCollection", "features": [{"type": "Feature", "id": "r1",
        "properties": {"LATIME": 12.5},
        "geometry": {"type": "LineString", "coordinates": [[27.5, 47.1], [27.6, 47.2]]}}]}""")

    def widths() -> list:
        with database.owner_transaction() as connection:
            return list(connection.scalars(text(
                "SELECT properties ->> 'width_m' FROM masterplan.current_feature WHERE layer_id = 'watercourses'"
            )))  # fmt: skip

    load_file(file, "watercourses", Options())
    assert widths() == [None]
    mapped = Options(columns={"width_m": "LATIME"})
    assert load_file(file, "watercourses", mapped).loaded.changed and widths() == ["12.5"]
    assert not load_file(file, "watercourses", mapped).loaded.changed


def test_a_file_told_nothing_about_stays_too_and_is_not_called_ours(fresh_database, shared_data):
    load_file(shared_data / "uat" / "uat_zmi.geojson", "uat", Options())
    assert "uat" not in [result.layer_id for result in load_shipped()]
    with database.owner_transaction() as connection:
        told = connection.execute(text("SELECT version, source FROM masterplan.layer WHERE id = 'uat'")).one()
    assert tuple(told) == (2, "uat_zmi.geojson")


def test_a_file_that_does_not_fit_is_refused_with_every_fault(fresh_database, tmp_path):
    wrong = tmp_path / "rings.geojson"
    wrong.write_text("""{"type": "FeatureCollection", "features": [
        {"type": "Feature", "id": "x", "properties": {"status": "maybe", "ring": 3},
         "geometry": {"type": "Point", "coordinates": [27.5, 47.1]}},
        {"type": "Feature", "properties": {},
         "geometry": {"type": "LineString", "coordinates": [[27.5, 47.1], [27.6, 47.2]]}}
    ]}""")
    with pytest.raises(InputError) as refused:
        load_file(wrong, "rings", Options())
    fields = sorted(field for field, _ in refused.value.faults)
    assert fields == ["geometry", "id", "ring", "status"]
    with database.owner_transaction() as connection:
        assert connection.scalar(text("SELECT version FROM masterplan.layer WHERE id = 'rings'")) == 1


def test_geometries_of_each_kind_have_their_place_in_the_tile_projection(owner):
    point = replace(TRIAL, geometry="Point")
    load(owner, point, [replace(row("p", 1), geometry=Point(27.5, 47.1))], "sha")
    x, y = owner.execute(text("SELECT ST_X(geom_3857), ST_Y(geom_3857) FROM masterplan.feature"
                              " WHERE layer_id = 'trial'")).one()  # fmt: skip
    # Spherical Mercator by its own formula: x = R·λ, y = R·ln tan(π/4 + φ/2), R = 6378137 m.
    radius = 6_378_137.0
    expected = (radius * radians(27.5), radius * log(tan(pi / 4 + radians(47.1) / 2)))
    assert (x, y) == pytest.approx(expected, abs=0.01)

