"""What a browser may claim that was clicked or drawn: 120 forged replies of the map, seeded, and none gets through.

The map's own replies, at the end, do.
"""

from __future__ import annotations

import json
import math
import random

import pytest

from layers.drawing import MOST_DRAWINGS, MOST_POSITIONS, MapReply, read_reply

NOTHING = MapReply(None, [])
SQUARE = [[27.5, 47.1], [27.6, 47.1], [27.6, 47.2], [27.5, 47.1]]
#: No number that a map can have, as JSON or a lenient reader may hand it over.
NO_NUMBERS = (
    None, True, False, "47.1", "", "NaN", [], {}, [47.1], {"lat": 1}, math.nan, math.inf, -math.inf, 10**400,
    -(10**400),
)  # fmt: skip
NO_SHAPES = (None, True, 0, 1.5, "POINT(27 47)", [], {}, [[]], [{}], {"type": "Point"}, {"coordinates": [27.5, 47.1]})
NO_TYPES = (None, True, 1, "", "point", "Circle", "MultiPolygon", "GeometryCollection", "Feature", [], {}, ["Point"])


def deep(levels: int) -> object:
    nested: object = 1.0
    for _ in range(levels):
        nested = [nested]
    return nested


def forged_click(choose: random.Random) -> object:
    good, bad = choose.uniform(20, 30), choose.choice(NO_NUMBERS)
    return choose.choice([
        {"lat": bad, "lng": good}, {"lat": good, "lng": bad},
        {"lat": choose.choice([90, -90, 85.1, 1e308]), "lng": good},
        {"lat": good}, {"lng": good}, [good, good], str(good), {"lat": {"lat": good}, "lng": good}, 0, True,
    ])  # fmt: skip


def forged_coordinates(choose: random.Random) -> object:
    bad = choose.choice(NO_NUMBERS)
    return choose.choice([
        None, {}, "27,47", 27.5, [], [[]], [[[]]], deep(3), deep(900), [27.5], [27.5, 47.1, 0, 0], [bad, 47.1],
        [[27.5, bad]], [[27.5, 47.1], [bad, bad]], [SQUARE, None], [[*SQUARE, [bad, 47.0]]], [[27.5, 47.1], 27.6],
        [[27.5, 47.1]] * (MOST_POSITIONS + 1), [[[27.5, 47.1]] * (MOST_POSITIONS + 1)],
    ])  # fmt: skip


def forged_drawing(choose: random.Random) -> object:
    geometry = choose.choice([
        {"type": choose.choice(NO_TYPES), "coordinates": [27.5, 47.1]},
        {"type": choose.choice(["Point", "LineString", "Polygon"]), "coordinates": forged_coordinates(choose)},
        {"type": "Polygon", "coordinates": SQUARE}, {"type": "Point", "coordinates": [SQUARE]},
        {"type": "LineString", "coordinates": [27.5, 47.1]}, choose.choice(NO_SHAPES),
    ])  # fmt: skip
    return choose.choice([{"type": "Feature", "geometry": geometry}, {"geometry": geometry}, geometry])


def forged_reply(seed: int) -> object:
    choose = random.Random(seed)
    too_many = [{"geometry": {"type": "Point", "coordinates": [27.5, 47.1]}}] * (MOST_DRAWINGS + 1)
    return choose.choice([
        {"last_clicked": forged_click(choose)},
        {"all_drawings": [forged_drawing(choose) for _ in range(choose.randint(1, 4))]},
        {"all_drawings": [forged_drawing(choose)], "last_clicked": forged_click(choose)},
        {"all_drawings": choose.choice([True, 1, "[]", {}, {"0": {}}, [[]], [None], deep(900), too_many])},
        choose.choice([[], "x", 1, True, [{"last_clicked": {"lat": 47, "lng": 27}}], b"\xff"]),
    ])  # fmt: skip


@pytest.mark.parametrize("seed", range(120))
def test_a_forged_reply_says_nothing_and_breaks_nothing(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    assert read_reply(forged_reply(seed)) == NOTHING
    assert len(caplog.records) >= 1, "the log notes it"
    assert all(record.exc_info is None and len(record.getMessage()) < 100 for record in caplog.records)


def test_what_is_forged_does_not_take_the_rest_with_it() -> None:
    line = {"type": "LineString", "coordinates": SQUARE}
    reply = {"last_clicked": {"lat": 47.1, "lng": "x"}, "all_drawings": [{"geometry": line}, {"geometry": None}]}
    assert read_reply(reply) == MapReply(None, [line])


@pytest.mark.parametrize("geometry", [
    {"type": "Point", "coordinates": [27.5, 47]}, {"type": "LineString", "coordinates": SQUARE},
    {"type": "Polygon", "coordinates": [SQUARE, SQUARE]}, {"type": "Point", "coordinates": [27.5, 47.1, 120.0]},
])  # fmt: skip
def test_what_the_map_sends_is_read(geometry: dict, caplog: pytest.LogCaptureFixture) -> None:
    sent = json.loads(json.dumps({
        "last_clicked": {"lat": 47, "lng": 27.5},
        "all_drawings": [{"type": "Feature", "properties": {}, "geometry": geometry}],
    }))  # fmt: skip
    assert read_reply(sent) == MapReply((27.5, 47.0), [geometry])
    assert read_reply({"last_clicked": None, "all_drawings": None}) == read_reply(None) == read_reply({}) == NOTHING
    assert caplog.records == []
