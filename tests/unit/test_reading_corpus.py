"""The whole corpus of real files: what we do with each, against the judgement in its `index.csv`.

Every disagreement is listed with its reason, so that nothing passes in silence.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import shapely

from layers.reading import DEFAULT_LIMITS, ReadResult, read_features
from layers.reading_csv import parse_table

#: Nothing to draw: a layer or a proposal without a place cannot be kept, so it is reported and left out.
NO_PLACE = "a feature without a place is reported, row by row, and not kept"
#: PostGIS could keep it, but a layer has one kind of geometry and a style for it.
MIXED = "a collection of several kinds is refused: a feature of a layer has one kind of geometry"

#: File → (the index's verdict, ours, why).
DISAGREEMENTS: dict[str, tuple[str, str, str]] = {
    "geojsonhint/good/nullgeometry.geojson": ("accept", "reject", NO_PLACE),
    "chrieke/valid/valid_feature_null_geometry.geojson": ("accept", "reject", NO_PLACE),
    "chrieke/problematic_geometries/problematic_feature_null_geometry.geojson": (
        "accept", "reject", NO_PLACE,
    ),
    "chrieke/valid/valid_geometry_geometrycollection_empty_geometries.geojson": (
        "accept", "reject", NO_PLACE,
    ),
    "geojsonhint/good/good-geometrycollection.geojson": ("accept", "reject", MIXED),
    "chrieke/valid/valid_geometry_geometrycollection.geojson": ("accept", "reject", MIXED),
    "chrieke/valid/valid_featurecollection_with_geometrycollection.geojson": ("accept", "reject", MIXED),
    "geojsonhint/bad/geometrycollection_nested.geojson": ("repair", "reject", MIXED),
    "chrieke/problematic_structure/problematic_nested_geometrycollection.geojson": (
        "repair", "reject", MIXED,
    ),
    "geojsonhint/good/issue82.geojson": (
        "accept", "reject", "longitudes to -259 and latitudes to -141 are no place on Earth",
    ),
    "chrieke/problematic_geometries/problematic_crosses_antimeridian.geojson": (
        "repair", "reject", "the index leaves a choice (split, or refuse outside the area): we refuse",
    ),
    "csv_spectrum/csvs/location_coordinates.csv": (
        "accept", "reject", "degrees and minutes in one column, the degree sign lost: no lon and lat to read",
    ),
}  # fmt: skip


def verdict(result: ReadResult) -> str:
    """Accept, repair or reject, as the index counts: the worst that happened to any feature."""
    outcomes = {issue.outcome for issue in result.issues}
    if "refused" in outcomes:
        return "reject"
    return "repair" if "repaired" in outcomes else "accept"


def judgement(entry: dict[str, str]) -> str:
    """The index's verdict in one word; of CSV dialects it says "parse exactly, then reject …"."""
    return "reject" if "then reject" in entry["careful_importer"] else entry["careful_importer"]


@pytest.fixture(scope="module")
def corpus(shared_data: Path) -> dict[str, tuple[dict[str, str], ReadResult]]:
    """Every file of the index (but the list of strings) with what reading it gave."""
    folder = shared_data / "bad_input"
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        entries = [entry for entry in csv.DictReader(file) if not entry["file"].startswith("strings/")]
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda entry: read_features(folder / entry["file"]), entries)
        return {entry["file"]: (entry, result) for entry, result in zip(entries, results, strict=True)}


def test_each_file_is_read_as_judged_or_the_disagreement_is_listed(corpus: dict) -> None:
    assert len(corpus) == 149
    found = {
        name: (judgement(entry), verdict(result))
        for name, (entry, result) in corpus.items()
        if judgement(entry) != verdict(result)
    }
    assert found == {name: (theirs, ours) for name, (theirs, ours, _) in DISAGREEMENTS.items()}


def test_no_file_is_refused_for_a_failure_of_ours(corpus: dict) -> None:
    codes = Counter(issue.code for _, result in corpus.values() for issue in result.issues)
    assert not {"unreadable", "took_too_long", "too_much_memory", "result_too_large"} & set(codes)


def test_what_is_kept_is_fit_to_store(corpus: dict) -> None:
    features = [f for _, result in corpus.values() for f in result.features]
    assert len(features) > 100
    for feature in features:
        west, south, east, north = feature.geometry.bounds
        assert shapely.is_valid(feature.geometry) and not feature.geometry.is_empty
        assert not feature.geometry.has_z
        assert -180 <= west <= east <= 180 and -90 <= south <= north <= 90


def test_the_published_invalid_polygons_are_all_repaired(corpus: dict) -> None:
    _, result = corpus["real_world/uat_invalid_polygons.geojson"]
    assert len(result.features) == 38
    assert Counter(issue.code for issue in result.issues) == {"polygon_repaired": 36, "parts_merged": 2}
    assert max(issue.facts["percent"] for issue in result.issues) < 3


def test_csv_dialects_are_parsed_exactly(shared_data: Path) -> None:
    folder = shared_data / "bad_input" / "csv_spectrum"
    checked = 0
    for path in sorted((folder / "csvs").glob("*.csv")):
        if path.stem == "location_coordinates":
            continue  # its JSON is of other rows than its CSV
        table = parse_table(path.read_bytes(), DEFAULT_LIMITS)
        expected = json.loads((folder / "json" / f"{path.stem}.json").read_text("utf-8"))
        assert [dict(zip(table.header, row, strict=True)) for row in table.records] == expected, path.name
        checked += 1
    assert checked == 11


@pytest.mark.parametrize(
    ("file", "count", "issues"),
    [
        ("uat/uat_zmi.geojson", 29, {}),
        ("uat/seats_zmi.geojson", None, {}),
        ("uat/uat_iasi_county_coarse.geojson", 98, {"polygon_repaired": 4}),
        ("osm_helsinki/helsinki_centre_roads.geojson", 2504, {}),
        ("osm_helsinki/helsinki_centre_rail.geojson", 324, {}),
        ("osm_helsinki/helsinki_centre_waterways.geojson", 6, {}),
        # Invalid as published: 8, of which 5 are outlines of two points; 116 others are clockwise.
        ("osm_helsinki/helsinki_centre_green.geojson", 188,
         {"polygon_repaired": 3, "ring_too_short": 5, "winding": 1}),
        # Invalid as published: 18, of which 7 are outlines of two points and 2 have overlapping parts.
        ("osm_helsinki/helsinki_centre_buildings.geojson", 482,
         {"polygon_repaired": 9, "parts_merged": 2, "ring_too_short": 7, "winding": 1}),
    ],
)  # fmt: skip
def test_real_layers(shared_data: Path, file: str, count: int | None, issues: dict[str, int]) -> None:
    published = json.loads((shared_data / file).read_text("utf-8"))["features"]
    result = read_features(shared_data / file)
    assert Counter(issue.code for issue in result.issues) == issues
    assert len(result.features) == (count if count is not None else len(published))
    for feature in result.features:
        original = published[feature.row - 1]
        assert feature.properties == original["properties"]
        before = shapely.geometry.shape(original["geometry"])
        if before.is_valid:
            assert feature.geometry.equals(before)
