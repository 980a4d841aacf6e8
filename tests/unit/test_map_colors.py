"""Ramps keep their order for every eye, names are readable on every ground; the arithmetic is this file's own."""

import itertools
import tomllib

import numpy as np
import pytest

from layers.colors import contrast, lifted, turned
from layers.symbology import THEMES, symbologies
from masterplan.settings import PROJECT_ROOT

#: Complete dichromacy, on linear sRGB (Machado, Oliveira & Fernandes 2009).
EYES = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
#: CIE76; 2.3 is just noticeable side by side, and classes are compared with a legend far away.
LEAST_DIFFERENCE = 8.0
SEQUENTIAL = {
    "relief": "classes", "pollutants": "classes", "wind": "classes",
    "flood_bands": "categories", "stormwater": "categories", "flow_paths": "categories",
}  # fmt: skip


def seen(color: str, eye: str) -> np.ndarray:
    """L*, a*, b* (D65) of a colour as an eye sees it."""
    encoded = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(EYES[eye]) @ linear, 0, 1)
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    ratio = to_xyz @ linear / np.array([0.95047, 1.0, 1.08883])
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def ramp(layer: str) -> list[str]:
    raw = tomllib.loads((PROJECT_ROOT / "data" / "symbology.toml").read_text("utf-8"))
    return [entry["color"] for entry in raw[layer][SEQUENTIAL.get(layer, "classes")]]


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("layer", SEQUENTIAL)
def test_more_is_darker_and_neighbours_differ_for_every_eye(layer: str, eye: str):
    colors = [seen(color, eye) for color in ramp(layer)]
    for less, more in itertools.pairwise(colors):
        assert more[0] < less[0] - 3
        assert np.linalg.norm(more - less) >= LEAST_DIFFERENCE


@pytest.mark.parametrize("eye", EYES)
def test_heat_is_lightest_around_zero_and_darkens_both_ways(eye: str):
    limits = [entry["from"] for entry in tomllib.loads(
        (PROJECT_ROOT / "data" / "symbology.toml").read_text("utf-8"))["heat"]["classes"]]  # fmt: skip
    neutral = max(i for i, low in enumerate(limits) if low <= 0)
    colors = [seen(color, eye) for color in ramp("heat")]
    lightness = [color[0] for color in colors]
    assert lightness[: neutral + 1] == sorted(lightness[: neutral + 1])
    assert lightness[neutral:] == sorted(lightness[neutral:], reverse=True)
    for one, other in itertools.combinations(colors, 2):
        assert np.linalg.norm(one - other) >= LEAST_DIFFERENCE, "cold and warm are told apart too"


@pytest.mark.parametrize("layer", SEQUENTIAL)
def test_on_a_dark_ground_more_is_lighter(layer: str):
    lightness = [seen(turned(color), "all cones")[0] for color in ramp(layer)]
    assert lightness == sorted(lightness) and len(set(lightness)) == len(lightness)


def test_on_a_dark_ground_heat_is_darkest_around_zero():
    lightness = [seen(turned(color), "all cones")[0] for color in ramp("heat")]
    darkest = int(np.argmin(lightness))
    assert darkest == 2, "as rural, −0.25 to 0.5 °C"
    assert lightness[: darkest + 1] == sorted(lightness[: darkest + 1], reverse=True)
    assert lightness[darkest:] == sorted(lightness[darkest:])


@pytest.mark.parametrize("one, other, expected", [
    # WCAG's own: black on white, and the well-known greys at the limits of AA.
    ("#000000", "#ffffff", 21.0), ("#767676", "#ffffff", 4.54), ("#949494", "#ffffff", 3.03),
])  # fmt: skip
def test_contrast_is_that_of_wcag(one: str, other: str, expected: float):
    assert contrast(one, other) == pytest.approx(expected, abs=0.005)
    assert contrast(other, one) == contrast(one, other)


@pytest.mark.parametrize("theme", THEMES)
def test_names_are_readable_on_every_ground(theme: str):
    ground = THEMES[theme]
    for layer, marks in symbologies().items():
        if marks.label:
            color = lifted(marks.label_color, ground.halo, 4.5) if ground.dark else marks.label_color
            assert contrast(color, ground.halo) >= 4.5, layer
        if marks.badge_attribute:
            color = lifted(marks.color, ground.background, 3) if ground.dark else marks.color
            assert contrast(color, ground.halo) >= 3, layer


def test_what_no_white_can_lift_is_said():
    with pytest.raises(ValueError, match="even white"):
        lifted("#cccccc", "#ffffff", 3)
