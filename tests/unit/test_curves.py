"""Plots of value functions: the mark stands where the arithmetic says, and the words say the same."""

from __future__ import annotations

import base64
import re
from math import log
from xml.etree import ElementTree

import pytest

from proposals.criteria import MeasureSpec, Scored, ValueFunction
from proposals.curves import plot

SVG = "{http://www.w3.org/2000/svg}"
#: The drawing's own frame: scores from bottom to top, values from left to right.
LEFT, RIGHT, TOP, BOTTOM = 30, 290, 16, 90


def scored(points=(), scale="linear", categories=None, unit="m") -> Scored:
    return Scored(
        key="k", group="g", question={"ro": "?", "en": "?"}, rationale={}, example={}, source="", themes=frozenset(),
        geometries=frozenset(), spec=MeasureSpec("area", {}), unit=unit, weight=1.0,
        value_function=ValueFunction(points=tuple(points), scale=scale, categories=categories or {}),
    )  # fmt: skip


def mark(svg: str) -> tuple[float, float]:
    """The centre of the ring."""
    (ring,) = [c for c in ElementTree.fromstring(svg).iter(f"{SVG}circle") if c.get("r") == "5"]
    return float(ring.get("cx")), float(ring.get("cy"))


@pytest.mark.parametrize(("value", "score"), [(300, 100), (500, 70), (750, 45), (1000, 20), (1500, 0)])
def test_the_mark_lies_on_the_curve(value: float, score: float) -> None:
    """Between the first and the last point of the function, with 6 % of the span on either side."""
    points = [(300, 100), (500, 70), (1000, 20), (1500, 0)]
    x, y = mark(plot(scored(points), {"value": value, "score": score}, "en").svg)
    span = 1200
    assert x == pytest.approx(LEFT + (value - 300 + 0.06 * span) / (1.12 * span) * (RIGHT - LEFT), abs=0.1)
    assert y == pytest.approx(TOP + (1 - score / 100) * (BOTTOM - TOP), abs=0.1)


def test_a_logarithmic_function_is_drawn_so() -> None:
    points = [(1, 10), (10, 40), (100, 70), (1000, 100)]
    x, _ = mark(plot(scored(points, "log"), {"value": 10, "score": 40}, "en").svg)
    span = log(1000)
    assert x == pytest.approx(LEFT + (log(10) + 0.06 * span) / (1.12 * span) * (RIGHT - LEFT), abs=0.1)


@pytest.mark.parametrize("value", [-1e9, 1e9, 0])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_values_far_beyond_the_function_stay_in_the_drawing(value: float, scale: str) -> None:
    x, y = mark(plot(scored([(1, 0), (100, 100)], scale), {"value": value, "score": 50}, "ro").svg)
    assert LEFT <= x <= RIGHT and TOP <= y <= BOTTOM


def test_the_words_say_what_is_drawn() -> None:
    drawn = plot(scored([(300, 100), (1500, 0)]), {"value": 1234.5, "score": 22}, "ro")
    assert drawn.words == (
        "Grila de punctare: 300\xa0m → 100, 1.500\xa0m → 0 puncte; valoarea de aici, 1.234\xa0m, dă 22."
    )
    assert ElementTree.fromstring(drawn.svg).find(f"{SVG}title").text == drawn.words


def test_words_are_bars_and_the_one_found_is_marked_by_more_than_colour() -> None:
    categories = {"underused": 100, "intravilan": 70, "isolated": 0}
    drawn = plot(scored(categories=categories, unit=""), {"value": "intravilan", "score": 70}, "en")
    texts = [t.text for t in ElementTree.fromstring(drawn.svg).iter(f"{SVG}text")]
    assert [text for text in texts if text.startswith("▸")] == ["▸ inside the intravilan"]
    assert "70" in drawn.words and "inside the intravilan" in drawn.words


@pytest.mark.parametrize("result", [{"value": None, "score": None}, {"value": 3, "score": None}, {}])
def test_without_a_value_there_is_no_plot(result: dict) -> None:
    assert plot(scored([(0, 0), (1, 1)]), result, "ro") is None


def test_hostile_words_stay_words_in_the_image() -> None:
    image = plot(scored([(0, 0), (1, 100)], unit='"><script>alert(1)</script>'), {"value": 1, "score": 100}, "en").image
    assert "<script" not in image
    inside = base64.b64decode(re.search(r"base64,([^\"]+)", image)[1]).decode()
    assert "<script" not in inside
    ElementTree.fromstring(inside)
