"""Green space near: against geopandas, scipy and distances that anybody can count."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from layers import green_access
from layers.green_access import GreenSpace, Network, Walk

GEOJSON = Path(__file__).resolve().parents[2] / "data" / "geojson"


def square(x: float, y: float, side: float) -> shapely.Polygon:
    return shapely.box(x, y, x + side, y + side)


def space(status: str, geometry: shapely.Polygon, id: str = "a") -> GreenSpace:
    return GreenSpace(id, id, status, geometry)


# -- which green space counts --------------------------------------------------------------


def test_small_pieces_count_when_they_are_one_large_space() -> None:
    # Two halves of one hectare share an edge; another 0.4 ha lies alone; two touch at a corner only.
    pieces = [shapely.box(0, 0, 50, 100), shapely.box(50, 0, 100, 100), square(300, 0, 63), square(500, 0, 60),
              square(560, 60, 60)]  # fmt: skip
    (one,) = green_access.large_enough(pieces, 5_000)
    assert one.area == 10_000
    assert len(green_access.large_enough(pieces, 3_600)) == 4
    assert len(green_access.large_enough(pieces, 10_000)) == 1
    assert green_access.large_enough([], 1) == []


def test_a_proposed_piece_can_make_an_existing_one_large_enough() -> None:
    spaces = [space("existing", shapely.box(0, 0, 60, 60)), space("proposed", shapely.box(60, 0, 100, 60))]
    today, later = green_access.existing_and_all(spaces, 5_000)
    assert today == [] and [green.area for green in later] == [6_000]
    with pytest.raises(ValueError, match="prospective"):
        green_access.existing_and_all([space("prospective", square(0, 0, 9))], 1)


# -- in a straight line --------------------------------------------------------------------


def test_near_is_300_m_from_the_edge_and_inside() -> None:
    near = green_access.straight([square(0, 0, 100)], 300)
    points = np.array([[50, 50], [400, 50], [400.01, 50], [-300, 0], [310, 313], [50, -301]])
    # From the corner (100, 100) to (310, 313): √(210² + 213²) = 299.1.
    assert near(points).tolist() == [True, True, False, True, True, False]
    assert not green_access.straight([], 300)(points).any()


def test_the_shipped_layers_against_geopandas() -> None:
    people = geopandas.read_file(GEOJSON / "population.geojson").to_crs(3844)
    green = geopandas.read_file(GEOJSON / "green_access.geojson").to_crs(3844)
    spaces = [GreenSpace(str(i), "", row.status, row.geometry) for i, row in enumerate(green.itertuples())]
    today, later = green_access.existing_and_all(spaces, 5_000)
    points, residents = shapely.get_coordinates(people.geometry), people.residents.to_numpy()
    found = green_access.tally(
        points, residents, green_access.straight(today, 300), green_access.straight(later, 300)
    )

    def residents_near(chosen: geopandas.GeoDataFrame) -> int:
        parts = chosen.dissolve().explode()
        parts = parts[parts.area >= 5_000]
        joined = people[["residents", "geometry"]].sjoin_nearest(parts[["geometry"]], max_distance=300)
        return joined[~joined.index.duplicated()].residents.sum()

    assert found.residents == people.residents.sum()
    assert found.existing == residents_near(green[green.status == "existing"])
    assert found.with_proposed == residents_near(green)
    assert 0 < found.existing < found.with_proposed < found.residents


# -- on foot -------------------------------------------------------------------------------

#: Its corner is 20 m, the gate distance, from the last crossing of `grid(5, 100)`.
PARK = shapely.box(500, 520, 600, 620)


def grid(size: int, step: float) -> Network:
    """Streets as squared paper, from (0, 0)."""
    most = size * step
    corners = [i * step for i in range(size + 1)]
    lines = [shapely.linestrings([(x, y) for y in corners]) for x in corners]
    lines += [shapely.linestrings([(x, y) for x in corners]) for y in corners]
    assert lines[0].length == most
    return green_access.network(lines)


def test_on_squared_paper_the_way_is_round_the_corners() -> None:
    walk = Walk(grid(5, 100), [PARK], 2_000)
    points = np.array([[500, 500], [500, 450], [0, 0], [130, 210], [50, 1], [500, 460], [540, 500]])
    # (130, 210): 10 m aside to (130, 200), then 370 m and 300 m.
    expected = [0, 50, 1000, 680, 951, 40, 0]
    np.testing.assert_allclose(walk.metres(points), expected, atol=0.5)


def test_far_from_every_street_or_too_far_to_walk_is_not_near() -> None:
    walk = Walk(grid(5, 100), [PARK], 800, join_m=50)
    assert np.isinf(walk.metres(np.array([[0, 0], [-51, 250], [2_000, 2_000]]))).all()
    aside = Walk(grid(5, 100), [PARK], 800, join_m=50).metres(np.array([[250, 470], [550, 450], [551, 450]]))
    np.testing.assert_allclose(aside, [280, 100, np.inf], atol=0.5)
    near = walk.within(400)
    assert near(np.array([[500, 100], [500, 99]])).tolist() == [True, False]
    with pytest.raises(ValueError, match="800"):
        walk.within(801)


def test_streets_that_cross_without_a_shared_vertex_are_a_bridge() -> None:
    crossing = [shapely.linestrings([(0, 0), (200, 0)]), shapely.linestrings([(100, -100), (100, 100)])]
    park = [shapely.box(80, 120, 120, 160)]
    met = Walk(green_access.network(crossing), park, 1_000).metres(np.array([[0, 0]]))
    assert np.isinf(met[0])
    across, up = [(0, 0), (100, 0), (200, 0)], [(100, -100), (100, 0), (100, 100)]
    streets = green_access.network([shapely.linestrings(across), shapely.linestrings(up)])
    met = Walk(streets, park, 1_000).metres(np.array([[0, 0]]))
    assert met[0] == pytest.approx(200, abs=0.5)


def test_without_streets_or_green_space_nobody_walks() -> None:
    nowhere = np.array([[0.0, 0.0]])
    assert np.isinf(Walk(grid(2, 100), [], 800).metres(nowhere)[0])
    none = green_access.network([])
    assert np.isinf(Walk(none, [square(500, 0, 100)], 800).metres(nowhere)[0])
    assert Walk(none, [square(0, 0, 100)], 800).metres(nowhere)[0] == 0


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_shortest_ways_are_those_of_scipy(data: st.DataObject) -> None:
    scipy_sparse = pytest.importorskip("scipy.sparse")
    csgraph = pytest.importorskip("scipy.sparse.csgraph")
    nodes = data.draw(st.integers(2, 12))
    edge = st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1)).filter(lambda pair: pair[0] != pair[1])
    pairs = data.draw(st.lists(edge, min_size=1, max_size=25, unique_by=lambda pair: frozenset(pair)))
    length = np.array(data.draw(st.lists(st.integers(1, 50), min_size=len(pairs), max_size=len(pairs))), float)
    start = data.draw(st.sets(st.integers(0, nodes - 1), min_size=1, max_size=3))
    farthest = data.draw(st.integers(0, 150))
    ends = np.array(pairs)
    matrix = scipy_sparse.coo_matrix((length, (ends[:, 0], ends[:, 1])), shape=(nodes, nodes)).tocsr()
    expected = csgraph.dijkstra(matrix, directed=False, indices=sorted(start), min_only=True, limit=farthest)
    found = green_access.shortest(ends, length, start, farthest)
    assert found == {node: metres for node, metres in enumerate(expected.tolist()) if np.isfinite(metres)}


coordinate = st.integers(-100, 700)
parks = st.lists(st.builds(square, coordinate, coordinate, st.integers(30, 200)), min_size=1, max_size=3)
people = st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=20).map(lambda them: np.array(them, float))


def test_of_two_streets_equally_near_the_shorter_way_counts() -> None:
    # At (317, 17) the streets y = 0 and x = 300 are 17 m away, both. Along y = 0 and up x = 0 to the gate at (0, 1)
    # it is 17 + 317 + 1 = 335; up x = 300 and along y = 100 to the gate, 20 m from the corner (60, 81), where
    # x = 60 + √(20² − 19²) = 66.24, it is 17 + 83 + 233.76 = 333.76.
    for turn in (1, -1):  # the same with x and y exchanged, and with another park that cuts the streets in other pieces
        for corners in ([(0, 21, 60)], [(0, 21, 60), (0, 121, 30)]):
            greens = [square(*corner[:2][::turn], corner[2]) for corner in corners]
            metres = Walk(grid(5, 100), greens, 3_000).metres(np.array([(317.0, 17.0)[::turn]]))
            assert metres == pytest.approx([333.76], abs=0.05)


@settings(max_examples=60, deadline=None)
@given(parks, parks, people)
def test_no_way_is_shorter_than_the_straight_one_and_more_green_is_never_farther(some, more, points) -> None:
    streets = grid(5, 100)
    before = Walk(streets, some, 3_000).metres(points)
    straight = shapely.distance(shapely.union_all(some), shapely.points(points))
    assert (before >= straight - green_access.GATE_M - 0.5).all()
    after = Walk(streets, [*some, *more], 3_000).metres(points)
    assert (after <= before + 0.5).all()


# -- who gains -----------------------------------------------------------------------------


def test_who_gains_by_hand() -> None:
    spaces = [
        space("existing", square(0, 0, 100), "old"), space("existing", square(3_000, 0, 20), "lawn"),
        space("proposed", square(1_000, 0, 100), "new"), space("proposed", square(2_000, 0, 50), "small"),
    ]  # fmt: skip
    today, later = green_access.existing_and_all(spaces, 5_000)
    points = np.array([[50, 50], [400, 0], [1_050, 400], [2_025, 100], [3_000, 0]])
    residents = np.array([100, 20, 30, 40, 10])
    found = green_access.tally(points, residents, green_access.straight(today), green_access.straight(later))
    assert (found.residents, found.existing, found.with_proposed, found.gained) == (200, 120, 150, 30)
    assert (found.share_existing, found.share_with_proposed) == (0.6, 0.75)
    (gain,) = green_access.gains(spaces, 5_000, 300)
    assert [each.id for each in gain.spaces] == ["new"]
    # A square of 100 m and 300 m around it: 100² + 4·100·300 + π·300².
    assert gain.geometry.area == pytest.approx(10_000 + 120_000 + np.pi * 90_000, rel=1e-3)


def test_what_was_near_already_is_no_gain() -> None:
    spaces = [space("existing", square(0, 0, 400), "old"), space("proposed", square(100, 100, 80), "inside")]
    assert green_access.gains(spaces, 5_000, 300) == []


@settings(max_examples=60, deadline=None)
@given(parks, parks, people, st.sampled_from([1_000, 5_000, 20_000]), st.sampled_from([100, 300]))
def test_proposals_take_nothing_away_and_smaller_or_farther_green_adds(old, new, points, smallest, distance) -> None:
    spaces = [space("existing", g) for g in old] + [space("proposed", g) for g in new]
    residents = np.arange(1, len(points) + 1)

    def counted(smallest_m2: float, distance_m: float) -> green_access.Tally:
        today, later = green_access.existing_and_all(spaces, smallest_m2)
        return green_access.tally(
            points, residents, green_access.straight(today, distance_m), green_access.straight(later, distance_m)
        )

    found = counted(smallest, distance)
    assert 0 <= found.existing <= found.with_proposed <= found.residents == residents.sum()
    for easier in (counted(smallest / 2, distance), counted(smallest, distance * 2)):
        assert easier.existing >= found.existing and easier.with_proposed >= found.with_proposed
    # Those who gain live on the ground of some gain, but for the corners of a circle drawn with straight edges.
    grounds = shapely.union_all([gain.geometry for gain in green_access.gains(spaces, smallest, distance)])
    inside = shapely.dwithin(grounds, shapely.points(points), 0.2)
    today, later = green_access.existing_and_all(spaces, smallest)
    gained = green_access.straight(later, distance)(points) & ~green_access.straight(today, distance)(points)
    assert not (gained & ~inside).any()


def test_tallies_of_pieces_add_up() -> None:
    pieces = green_access.Tally(3, 1, 2), green_access.Tally(4, 0, 4)
    assert sum(pieces, green_access.NOBODY) == green_access.Tally(7, 1, 6)
    assert np.isnan(green_access.NOBODY.share_existing)
