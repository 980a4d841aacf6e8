"""Criteria sets: the shipped one is sound, and a bad file is told everything at once, by line."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from masterplan.errors import InputError
from proposals.criteria import (
    GEOMETRIES,
    THEMES,
    MeasureSpec,
    catalogue_of,
    check,
    definition,
    from_definition,
    group_weights,
    measure_specs,
    parse,
    weights_of,
)
from proposals.measures import MEASURES

SHIPPED = Path(__file__).parents[2] / "data" / "criteria" / "v0.toml"
NUMBER = ("number", None)

#: The layers and attributes that the shared plan promises.
CATALOGUE = {
    "uat": {"in_zone": ("boolean", None), "population": NUMBER},
    "rings": {}, "radials": {}, "prospective_radials": {},
    "strategic_zones": {"uses": ("list", None)},
    "underused_land": {}, "intravilan": {}, "transport_stops": {"mode": ("text", None)},
    "green_blue_metropolitan": {"width_m": NUMBER}, "green_blue_urban": {"width_m": NUMBER},
    "green_access": {"area_ha": NUMBER, "registered": ("boolean", None)},
    "watercourses": {"width_m": NUMBER},
    "flood_bands": {"probability_percent": NUMBER},
    "stormwater": {"accumulation": ("text", None), "upstream_km2": NUMBER},
    "heat": {"anomaly_c": ("number", "°C")},
    "ventilation_corridors": {"width_m": NUMBER, "direction_deg": NUMBER},
    "relief": {"slope_percent": NUMBER},
    "unstable_slopes": {}, "protected_areas": {},
    "pollutants": {"no2_ugm3": NUMBER, "pm10_ugm3": NUMBER, "pm25_ugm3": NUMBER},
    "population": {"residents": NUMBER},
}  # fmt: skip

SMALL = """\
[set]
version = "t"
status = "draft"
title_ro = "T"
title_en = "T"
note_ro = "N"
note_en = "N"
largest_group_percent = 50

[decision]
recommended = 60
debate = 40
text_ro = "x"
text_en = "x"

[[group]]
key = "one"
name_ro = "Unu"
name_en = "One"

[[group]]
key = "two"
name_ro = "Doi"
name_en = "Two"

[[gate]]
key = "flood"
group = "one"
themes = ["development"]
measure = { function = "share_inside", layer = "flood_bands", where = { probability_percent = 10 } }
operator = "<="
threshold = 10
otherwise = "fail"
question_ro = "?"
question_en = "?"
rationale_ro = "r"
rationale_en = "r"
example_ro = "e"
example_en = "e"
remedy_ro = "m"
remedy_en = "m"
source = "s"

[[scored]]
key = "stops"
group = "one"
weight = 10
themes = ["development"]
measure = { function = "distance_to_nearest", layer = "transport_stops" }
points = [[300, 100], [1000, 0]]
question_ro = "?"
question_en = "?"
rationale_ro = "r"
rationale_en = "r"
example_ro = "e"
example_en = "e"
source = "s"

[[judged]]
key = "coherence"
group = "two"
weight = 10
themes = ["development"]
question_ro = "?"
question_en = "?"
rationale_ro = "r"
rationale_en = "r"
example_ro = "e"
example_en = "e"
scale_ro = "0..100"
scale_en = "0..100"
source = "s"
"""


@pytest.fixture(scope="module")
def shipped():
    text = SHIPPED.read_text()
    return parse(text, CATALOGUE)


def test_the_shipped_set_has_no_faults():
    assert [str(fault.error) for fault in check(SHIPPED.read_text(), CATALOGUE)] == []


def test_the_shipped_set_fits_the_shipped_catalogue():
    import tomllib

    path = SHIPPED.parents[1] / "layers.toml"
    catalogue = catalogue_of(tomllib.loads(path.read_text()))
    assert [str(fault.error) for fault in check(SHIPPED.read_text(), catalogue)] == []


def test_the_shipped_set_is_for_consultation_and_has_enough_criteria(shipped):
    assert shipped.status == "consultation"
    assert len(shipped.gates) >= 6
    assert len(shipped.scored) >= 9
    assert [criterion.key for criterion in shipped.judged] == ["coherence"]
    assert (shipped.decision.recommended, shipped.decision.debate) == (60, 40)


@pytest.mark.parametrize("theme,geometry", list(product(THEMES, GEOMETRIES)))
def test_no_group_carries_more_than_its_share(shipped, theme, geometry):
    weights = group_weights(shipped, theme, geometry)
    assert max(weights.values()) / sum(weights.values()) <= 0.30


def test_every_theme_is_asked_gates_and_several_scored_criteria(shipped):
    for theme in THEMES:
        asked = shipped.asked(theme, "polygon")
        assert sum(c in shipped.gates for c in asked) >= 2
        assert sum(c in shipped.scored for c in asked) >= 3


def test_every_criterion_says_why_in_one_sentence_of_each_language(shipped):
    for criterion in shipped.criteria:
        for language in ("ro", "en"):
            assert len(criterion.rationale[language].split()) >= 8
            assert criterion.rationale[language].endswith(".")
            assert criterion.question[language].endswith("?")
            assert criterion.example[language]


def test_a_sound_small_set_has_no_faults():
    assert check(SMALL, CATALOGUE) == []


MAYORS = """
[[stakeholder]]
key = "mayors"
name_ro = "Primari"
name_en = "Mayors"
weights = { stops = 25 }
"""


def test_a_stakeholder_group_has_weights_of_its_own():
    assert check(SMALL + MAYORS, CATALOGUE) == []
    found = from_definition(definition(SMALL + MAYORS))
    (mayors,) = found.stakeholders
    assert (mayors.key, mayors.name) == ("mayors", {"ro": "Primari", "en": "Mayors"})
    assert weights_of(found) == [10, 10]
    assert weights_of(found, mayors) == [25, 10]


@pytest.mark.parametrize(
    "old,new,says",
    [
        ("stops = 25", "flood = 25", "flood is no criterion with a weight."),
        ("stops = 25", "unheard = 25", "unheard is no criterion with a weight."),
        ("stops = 25", "stops = 0", "A weight must be above zero"),
        ("stops = 25", "", "weights must list at least one"),
        ('name_en = "Mayors"', "", "Missing translation: name_en."),
        ('weights = {', 'weight = {', "Unknown field: weight."),
    ],
)  # fmt: skip
def test_a_fault_of_a_stakeholder_group_has_its_line(old, new, says):
    text = SMALL + MAYORS.replace(old, new)
    faults = check(text, CATALOGUE)
    assert any(says in str(fault.error) for fault in faults)
    assert all(fault.line >= _line_of(text, "[[stakeholder]]") for fault in faults)


def test_a_stakeholder_group_comes_once():
    assert [str(f.error) for f in check(SMALL + MAYORS + MAYORS, CATALOGUE)] == ["The key mayors is used twice."]


def _line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize(
    "old,new,says",
    [
        ('layer = "flood_bands"', 'layer = "floods"', "Unknown layer: floods."),
        ("probability_percent = 10", "chance = 10", "The layer flood_bands has no attribute chance."),
        ('"share_inside"', '"share_outside"', "Unknown measure: share_outside."),
        ('layer = "transport_stops"', 'layer = "transport_stops", radius = 3', "has no parameter radius."),
        ('weight = 10\nthemes = ["development"]\nmeasure', 'weight = 0\nthemes = ["development"]\nmeasure',
         "A weight must be above zero"),
        ("[[300, 100], [1000, 0]]", "[[300, 100], [300, 0]]", "must rise from point to point"),
        ("[[300, 100], [1000, 0]]", "[[300, 100]]", "at least two points"),
        ("[[300, 100], [1000, 0]]", "[[300, 100], [1000, -1]]", "Scores go from 0 to 100."),
        ("[[300, 100], [1000, 0]]", "[[300, 101], [1000, 0]]", "Scores go from 0 to 100."),
        ("[[300, 100], [1000, 0]]", "[[300, 100], [nan, 0]]", "is a pair of numbers"),
        ("threshold = 10", "threshold = 100", "can never trip"),
        ("threshold = 10", "threshold = -1", "can never be passed"),
        ("threshold = 10", "threshold = { point = 1 }", "Say a threshold for each of: line, point, polygon."),
        ('otherwise = "fail"', 'otherwise = "veto"', "Unknown otherwise: veto."),
        ('remedy_en = "m"\n', "", "Missing translation: remedy_en."),
        ('key = "stops"', 'key = "flood"', "The key flood is used twice."),
        ('group = "two"', 'group = "three"', "Unknown group: three."),
        ('themes = ["development"]\nmeasure = { function = "share',
         'themes = ["homes"]\nmeasure = { function = "share',
         "Unknown themes: homes."),
        ('themes = ["development"]\nmeasure = { function = "share',
         'themes = []\nmeasure = { function = "share',
         "nobody would be asked"),
        ("debate = 40", "debate = 60", "must start below"),
        ("largest_group_percent = 50", "largest_group_percent = 40", "carries 50.0 % of the weight"),
        ("[decision]", "[decison]", "Unknown table: decison."),
        ('source = "s"\n\n[[scored]]', 'source = "s"\ncolour = "red"\n\n[[scored]]',
         "Unknown field: colour."),
        ('version = "t"', 'version = "t', "This is not TOML"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line(old, new, says):
    assert SMALL.count(old) >= 1
    text = SMALL.replace(old, new, 1)
    faults = check(text, CATALOGUE)
    matching = [fault for fault in faults if says in str(fault.error)]
    assert matching, [str(fault.error) for fault in faults]
    if new and "table" not in says and "%" not in says:
        changed = [
            n
            for n, (a, b) in enumerate(zip(SMALL.splitlines(), text.splitlines(), strict=False), 1)
            if a != b
        ]
        assert matching[0].line in (changed[0], changed[0] + 1)


def test_every_fault_is_told_at_once_in_the_order_of_lines():
    text = (
        SMALL.replace("weight = 10", "weight = -1").replace('"flood_bands"', '"floods"').replace("?", "", 1)
    )
    faults = check(text, CATALOGUE)
    assert len(faults) == 4
    assert [fault.line for fault in faults] == sorted(fault.line for fault in faults)
    assert faults[0].line == _line_of(text, '"floods"')


def test_lines_are_found_past_text_of_several_lines():
    text = SMALL.replace('note_ro = "N"', 'note_ro = """\n[[gate]]\nkey = "not a gate"\n"""')
    text = text.replace('"transport_stops"', '"stations"')
    (fault,) = check(text, CATALOGUE)
    assert fault.line == _line_of(text, "stations")


def test_parse_refuses_with_every_fault():
    with pytest.raises(InputError) as refused:
        parse(SMALL.replace("weight = 10", "weight = 0"), CATALOGUE)
    assert [field for field, _ in refused.value.faults] == [
        f"line {n}" for n, line in enumerate(SMALL.splitlines(), 1) if line == "weight = 10"
    ]


@pytest.mark.parametrize("cut", range(0, len(SMALL), 97))
def test_a_file_cut_anywhere_is_told_and_never_crashes(cut):
    check(SMALL[:cut], CATALOGUE)


@pytest.mark.parametrize("junk", ["3", '"x"', "[]", "[1]", "{}", "{ a = 1 }", "true", "nan", "1979-05-27"])
def test_a_field_of_the_wrong_kind_is_told_and_never_crashes(junk):
    for line in [line for line in SMALL.splitlines() if " = " in line]:
        name = line.split(" = ")[0]
        faults = check(SMALL.replace(line, f"{name} = {junk}", 1), CATALOGUE)
        assert all(str(fault.error) for fault in faults)


def test_the_key_of_a_measure_depends_on_what_is_measured_only(shipped):
    one = MeasureSpec("share_inside", {"layer": "flood_bands", "where": {"a": 1, "b": 2}})
    same = MeasureSpec("share_inside", {"where": {"b": 2, "a": 1}, "layer": "flood_bands"})
    other = MeasureSpec("share_inside", {"layer": "flood_bands", "where": {"a": 1, "b": 3}})
    assert one.key == same.key != other.key
    assert re.fullmatch(r"share_inside\.flood_bands\.[0-9a-f]{8}", one.key)
    assert len(measure_specs([shipped])) < len(shipped.gates) + len(shipped.scored)
    assert measure_specs([shipped, shipped]) == measure_specs([shipped])


def test_a_definition_survives_the_database(shipped):
    import json

    assert from_definition(json.loads(json.dumps(definition(SHIPPED.read_text())))) == shipped


def test_every_measure_says_what_it_is():
    for measure in MEASURES.values():
        assert len(measure.description) > 50
        assert measure.sentence.endswith(".")
        assert measure.unit or measure.values or measure.name in (
            "attribute_at", "count_touching", "declared", "declared_ratio")  # fmt: skip


def test_every_criterion_measure_and_decision_word_is_documented(shipped):
    page = (SHIPPED.parents[2] / "docs" / "criteria.md").read_text()
    missing = [name for name in MEASURES if f"`{name}`" not in page]
    missing += [criterion.key for criterion in shipped.criteria if f"`{criterion.key}`" not in page]
    assert missing == []
