"""Tiles of proposals: nothing left out, everything in one place, read by a decoder of our own."""

from __future__ import annotations

import math

import pytest
import shapely
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from proposal_rows import Row, insert, rows, to_mercator
from pyproj import Transformer
from sqlalchemy import Connection, text
from vector_tile_reading import LINE, POINT, POLYGON, TileFeature, read_tile

from layers.tiles import EXTENT, TileAddress
from masterplan.actors import SYSTEM, VISITOR
from masterplan.database import act_as, transaction
from proposals.filters import EVERYTHING, ProposalFilter, from_words
from proposals.proposal_tiles import CELLS, REAL_ZOOM, proposal_tile, proposals_stamp

pytestmark = pytest.mark.database

ROWS = rows(300, seed=21)
HALF = math.pi * 6378137.0
to_stereo = Transformer.from_crs(3857, 3844, always_xy=True).transform


@pytest.fixture(scope="module", autouse=True)
def _filled(database_name: str) -> None:
    with transaction(SYSTEM) as connection:
        insert(connection, ROWS)


def _anchors(connection: Connection) -> dict[str, tuple[float, float]]:
    found = connection.execute(
        text("SELECT receipt, ST_X(anchor_3857), ST_Y(anchor_3857) FROM masterplan.proposal")
    )
    return {receipt: (x, y) for receipt, x, y in found}


def _tile_of(x: float, y: float, zoom: int) -> TileAddress:
    side = 2 * HALF / 2**zoom
    return TileAddress(zoom, int((x + HALF) // side), int((HALF - y) // side))


def _around(anchors: dict, zoom: int) -> list[TileAddress]:
    """Every tile with an anchor, and neighbours of many, so that one put in two tiles is found."""
    tiles = sorted({(tile.x, tile.y) for tile in (_tile_of(x, y, zoom) for x, y in anchors.values())})
    near = {(x + dx, y + dy) for x, y in tiles[::7] for dx in (-1, 0, 1) for dy in (-1, 0, 1)}
    last = 2**zoom - 1
    return [TileAddress(zoom, x, y) for x, y in sorted({*tiles, *near}) if 0 <= x <= last and 0 <= y <= last]


def _features(connection: Connection, address: TileAddress, wanted: ProposalFilter = EVERYTHING) -> list[TileFeature]:
    layers = read_tile(proposal_tile(connection, address, wanted))
    assert set(layers) <= {"proposals"}
    return layers.get("proposals", [])


def _counts(connection: Connection, zoom: int, wanted: ProposalFilter = EVERYTHING) -> int:
    tiles = _around(_anchors(connection), zoom)
    return sum(f.properties.get("count", 0) for tile in tiles for f in _features(connection, tile, wanted))


# -- nothing is left out -------------------------------------------------------------------


@pytest.mark.parametrize("zoom", [0, 8, REAL_ZOOM - 1, REAL_ZOOM, 15])
def test_counts_add_up_to_the_total(connection: Connection, zoom: int) -> None:
    assert _counts(connection, zoom) == len(ROWS)


@pytest.mark.parametrize("zoom", [9, 14])
def test_counts_add_up_to_what_the_filter_means(connection: Connection, zoom: int) -> None:
    wanted = from_words(kind="proposal", max_score=60, criterion=["land>30"])
    expected = [
        row for row in ROWS if row.kind == "proposal" and row.total is not None and row.total <= 60
        and ((row.results or {}).get("land", {}).get("score") or 0) > 30
    ]  # fmt: skip
    assert 0 < len(expected) < len(ROWS)
    assert _counts(connection, zoom, wanted) == len(expected)


_EDGES = st.integers(-3, 3)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(zoom=10, points=[(0, 1, -0.5), (3, 0, -0.5)])
@example(zoom=15, points=[(0, 1, -0.01), (3, 0, -0.01)])
@given(
    zoom=st.integers(6, 16),
    points=st.lists(st.tuples(_EDGES, _EDGES, st.sampled_from((0.0, 1e-7, -1e-7, 0.5, 37.0))), min_size=1, max_size=12),
)
def test_a_point_on_the_edge_belongs_to_exactly_one_tile(connection: Connection, zoom: int, points: list) -> None:
    """Points on and beside the corners and edges of tiles and of cells."""
    side = 2 * HALF / 2**zoom
    home = _tile_of(3_070_000.0, 5_970_000.0, zoom)
    west, north = home.x * side - HALF, HALF - home.y * side
    step = side / CELLS
    placed = [(west + i * step + off, north - j * step - off) for i, j, off in points]
    savepoint = connection.begin_nested()
    insert(connection, [_at(x, y, f"EDGE-{n}") for n, (x, y) in enumerate(placed)])
    wanted = from_words(receipt=[f"EDGE-{n}" for n in range(len(placed))])
    seen = [f for t in _around(dict(enumerate(placed)), zoom) for f in _features(connection, t, wanted)]
    savepoint.rollback()
    assert sum(feature.properties["count"] for feature in seen) == len(placed)
    # A client drops a point on the far edge: it takes it for the next tile's.
    assert all(0 <= each < EXTENT for feature in seen for place in feature.points for each in place)


def _at(x: float, y: float, receipt: str) -> Row:
    row = rows(1, seed=1)[0]
    row.receipt, row.geometry = receipt, shapely.Point(to_stereo(x, y))
    return row


# -- where and what ------------------------------------------------------------------------


@pytest.mark.parametrize("zoom", [REAL_ZOOM - 1, 16])
def test_points_lie_inside_their_tile(connection: Connection, zoom: int) -> None:
    for tile in _around(_anchors(connection), zoom):
        for feature in _features(connection, tile):
            if "count" in feature.properties:
                assert feature.kind == POINT
                assert all(0 <= x < EXTENT and 0 <= y < EXTENT for x, y in feature.points)


@pytest.mark.parametrize("zoom", [7, REAL_ZOOM - 1])
def test_cells_are_the_grid(connection: Connection, zoom: int) -> None:
    """The same counts at the same places as the same grid in plain Python."""
    side = 2 * HALF / 2**zoom
    expected: dict[tuple[int, int], list[str]] = {}
    anchors = _anchors(connection)
    for receipt, (x, y) in anchors.items():
        cell = int((x + HALF) // (side / CELLS)), int((HALF - y) // (side / CELLS))
        expected.setdefault(cell, []).append(receipt)
    found = 0
    for tile in _around(anchors, zoom):
        for feature in _features(connection, tile):
            [(px, py)] = feature.points
            x = tile.x * CELLS + px * CELLS / EXTENT
            y = tile.y * CELLS + py * CELLS / EXTENT
            near = [cell for cell in expected if abs(cell[0] + 0.5 - x) <= 0.51 and abs(cell[1] + 0.5 - y) <= 0.51]
            assert feature.properties["count"] in [len(expected[cell]) for cell in near]
            if feature.properties["count"] == 1:
                assert [feature.properties["receipt"]] in [expected[cell] for cell in near]
            else:
                assert set(feature.properties) == {"count"}
            found += 1
    assert found == len(expected)


def test_close_by_each_is_drawn_with_its_words(connection: Connection) -> None:
    stored, shapes = {row.receipt: row for row in ROWS}, set()
    for tile in _around(_anchors(connection), REAL_ZOOM):
        for feature in _features(connection, tile):
            row = stored[feature.properties["receipt"]]
            assert feature.properties["id"] == row.receipt
            for name in ("kind", "theme", "status", "title", "total", "recommendation"):
                assert feature.properties.get(name) == getattr(row, name)
            if "count" not in feature.properties:
                assert feature.kind == {"LineString": LINE}.get(row.geometry.geom_type, POLYGON)
                shapes.add(row.receipt)
    small = {row.receipt for row in ROWS if row.geometry.geom_type == "Polygon" and row.geometry.area < 100}
    assert shapes >= {row.receipt for row in ROWS if row.geometry.geom_type != "Point"} - small


def test_a_shape_is_where_it_is(connection: Connection) -> None:
    """Tile units back to metres: within two units of the true shape."""
    zoom, side = 15, 2 * HALF / 2**15
    for row in [row for row in ROWS if row.geometry.geom_type == "LineString"][:15]:
        true = shapely.transform(row.geometry, to_mercator, interleaved=False)
        start = shapely.Point(true.coords[0])
        tile = _tile_of(start.x, start.y, zoom)
        drawn = [f for f in _features(connection, tile, from_words(receipt=[row.receipt])) if f.kind == LINE]
        for x, y in drawn[0].points:
            place = shapely.Point((tile.x + x / EXTENT) * side - HALF, HALF - (tile.y + y / EXTENT) * side)
            assert true.distance(place) < 2 * side / EXTENT


def test_visitors_see_what_is_public(connection: Connection) -> None:
    act_as(connection, VISITOR)
    public = [row for row in ROWS if row.status == "published"]
    assert _counts(connection, 10) == _counts(connection, 14) == len(public)


def test_an_empty_tile_is_empty(connection: Connection) -> None:
    assert proposal_tile(connection, TileAddress(10, 1, 1), EVERYTHING) == b""
    assert proposal_tile(connection, TileAddress(15, 1, 1), EVERYTHING) == b""


def test_the_index_serves_the_visitors_tiles(connection: Connection) -> None:
    """Under row-level security only an operator known to leak nothing may use the index."""
    act_as(connection, VISITOR)
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    plan = connection.scalars(text(
        "EXPLAIN SELECT 1 FROM masterplan.proposal WHERE anchor_3857 && ST_TileEnvelope(14, 9446, 5776)"
    )).all()  # fmt: skip
    assert any("Index Cond: (anchor_3857 &&" in line for line in plan), plan


# -- the stamp -----------------------------------------------------------------------------

_CHANGES = (
    "UPDATE masterplan.proposal SET status = 'hidden' WHERE receipt = :r",
    "UPDATE masterplan.proposal SET status = 'published' WHERE receipt = :r",
    "UPDATE masterplan.score SET scored_at = clock_timestamp() WHERE proposal_id ="
    " (SELECT id FROM masterplan.proposal WHERE receipt = :r)",
)


@pytest.mark.parametrize("change", _CHANGES)
def test_the_stamp_changes_with_what_is_seen(connection: Connection, change: str) -> None:
    public = next(row for row in ROWS if row.status == "published" and row.results)
    before = proposals_stamp(connection)
    assert proposals_stamp(connection) == before
    connection.execute(text(change), {"r": public.receipt})
    assert proposals_stamp(connection) != before


def test_the_stamp_sees_a_change_that_is_committed_late(connection: Connection) -> None:
    """Its moment lies before others that were seen already: the newest moment alone would not do."""
    one = next(row for row in ROWS if row.results)
    before = proposals_stamp(connection)
    connection.execute(
        text("UPDATE masterplan.score SET scored_at = scored_at - interval '1 hour' WHERE proposal_id ="
             " (SELECT id FROM masterplan.proposal WHERE receipt = :r)"), {"r": one.receipt},
    )  # fmt: skip
    assert proposals_stamp(connection) != before


def test_the_stamp_of_visitors_is_deaf_to_what_they_do_not_see(connection: Connection) -> None:
    hidden = next(row for row in ROWS if row.status == "hidden")
    act_as(connection, VISITOR)
    before = proposals_stamp(connection)
    act_as(connection, SYSTEM)
    connection.execute(
        text("UPDATE masterplan.proposal SET status = 'submitted' WHERE receipt = :r"), {"r": hidden.receipt}
    )
    act_as(connection, VISITOR)
    assert proposals_stamp(connection) == before
