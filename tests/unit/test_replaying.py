"""Replay: arrays against one proposal at a time, flips against a plain loop, and what was never measured."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masterplan.errors import MasterplanError
from proposals.criteria import GEOMETRIES, THEMES, measure_specs
from proposals.measures import MEASURES
from proposals.replaying import (
    Alike,
    Asked,
    Everything,
    StoredColumn,
    flips,
    not_measured,
    ranks,
    standing,
    standing_under,
    with_point,
    with_threshold,
    with_weight,
)
from proposals.scoring import RECOMMENDATIONS, VERDICTS, Subject, score_one
from tests.unit.test_scoring import (
    CO2,
    FLOOD,
    LAYERS,
    OFFICIAL,
    SHIPPED,
    SKETCH,
    STOPS,
    ZONE,
    _shipped_answers,
    criteria,
    gate,
    layer_names,
    scored,
    subjects,
)


def column(key: str, answers: list[dict | None]) -> StoredColumn:
    """A stored column made answer by answer."""
    measure, given_ = MEASURES[key.split(".")[0]], [answer or {} for answer in answers]

    def numbers(name: str, default: str | None = None) -> np.ndarray:
        found = [a.get(name, a.get(default) if default else None) for a in given_]
        return np.array([np.nan if v is None or isinstance(v, str) else v for v in found], dtype=float)

    def codes(name: str, words: tuple[str, ...]) -> np.ndarray:
        return np.array([words.index(a[name]) if a.get(name) in words else -1 for a in given_], dtype=np.int8)

    return StoredColumn(
        numbers("value"), numbers("low", "value"), numbers("high", "value"), numbers("limit"), measure.values,
        codes("value", measure.values) if measure.values else None,
        np.array([bool(a.get("uncertain")) for a in given_]), measure.classes, codes("class", measure.classes),
    )  # fmt: skip


def everything(rows: list[tuple[Subject, dict]], layers=LAYERS, asked=None, judged_by="t") -> Everything:
    keys = {key for _, answers in rows for key in answers}
    return Everything(
        receipts=np.array([f"R{number}" for number in range(len(rows))]),
        theme=np.array([THEMES.index(s.theme) for s, _ in rows], dtype=np.int8),
        geometry=np.array([GEOMETRIES.index(s.geometry) for s, _ in rows], dtype=np.int8),
        is_proposal=np.array([s.kind == "proposal" for s, _ in rows]),
        measured_at=np.full(len(rows), 100.0),
        alike=(Alike(slice(0, len(rows)), judged_by, layers),),
        columns={key: column(key, [answers.get(key) for _, answers in rows]) for key in keys},
        asked=asked or {},
    )


def near(metres: float, theme="mobility", kind="proposal", **more) -> tuple[Subject, dict]:
    return Subject(theme, "point", kind), {STOPS.key: {"value": metres}, FLOOD.key: {"value": 0.0}} | more


# -- arrays against one at a time ----------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(subjects, _shipped_answers()), min_size=1, max_size=8),
    st.lists(st.tuples(subjects, _shipped_answers()), max_size=4),
    st.sampled_from(["land", "public_transport", "heat_cooling"]),
    st.floats(0.5, 60),
)
def test_every_proposal_stands_as_scoring_alone_says(official, sketched, key, weight):
    """Two groups of layer versions: in the second all layers are sketches."""
    draft = with_weight(with_threshold(SHIPPED, "stormwater", 35), key, weight)
    first, second = dict.fromkeys(layer_names, OFFICIAL), dict.fromkeys(layer_names, SKETCH)
    rows = official + sketched
    whole = everything(rows, judged_by=SHIPPED.version)
    edge = len(official)
    alike = (Alike(slice(0, edge), "v0", first), Alike(slice(edge, len(rows)), "v0", second))
    whole = dataclasses.replace(whole, alike=alike)

    before, after = standing(whole, {"v0": SHIPPED}), standing_under(whole, draft)
    expected = [
        [score_one(rules, subject, answers, first if number < edge else second)
         for number, (subject, answers) in enumerate(rows)]
        for rules in (SHIPPED, draft)
    ]  # fmt: skip
    for found, scores in ((before, expected[0]), (after, expected[1])):
        assert [None if np.isnan(t) else t for t in found.total.tolist()] == [s.total for s in scores]
        assert [RECOMMENDATIONS[r] for r in found.recommendation] == [s.recommendation for s in scores]
        for gate_key, verdicts in found.verdicts.items():
            said = [None if v < 0 else VERDICTS[v] for v in verdicts.tolist()]
            assert said == [s.results.get(gate_key, {}).get("verdict") for s in scores]
        assert found.rank.tolist() == _ranks_plainly(rows, scores)

    told = flips(whole, before, after)
    pairs = list(zip(whole.receipts.tolist(), *expected, strict=True))
    assert whole.receipts[told.moved].tolist() == [r for r, a, b in pairs if a.total != b.total]
    assert {(f.receipt, f.gate, f.before, f.after) for f in told.gate_flips()} == {
        (r, g.key, a.results[g.key]["verdict"], b.results[g.key]["verdict"])
        for r, a, b in pairs for g in SHIPPED.gates
        if g.key in a.results and a.results[g.key]["verdict"] != b.results[g.key]["verdict"]
    }  # fmt: skip
    assert [(f.receipt, f.before, f.after) for f in told.recommendation_flips()] == [
        (r, a.recommendation, b.recommendation) for r, a, b in pairs if a.recommendation != b.recommendation
    ]
    places = [_ranks_plainly(rows, scores) for scores in expected]
    assert [(f.receipt, f.theme, f.before or 0, f.after or 0) for f in told.rank_flips()] == [
        (receipt, rows[n][0].theme, places[0][n], places[1][n])
        for n, receipt in enumerate(whole.receipts.tolist()) if places[0][n] != places[1][n]
    ]  # fmt: skip


def _ranks_plainly(rows, scores) -> list[int]:
    def place(n: int) -> int:
        subject, total = rows[n][0], scores[n].total
        if subject.kind != "proposal" or total is None:
            return 0
        return 1 + sum(
            s.kind == "proposal" and s.theme == subject.theme and o.total is not None and o.total > total
            for (s, _), o in zip(rows, scores, strict=True)
        )

    return [place(n) for n in range(len(rows))]


# -- by hand -------------------------------------------------------------------------------


def test_flips_by_hand():
    """Stops at 300, 640, 1,000 m: 100, 56, 20 points; the draft moves the last point from 1,500 to 1,200 m."""
    rules = criteria(gate(threshold=10.0), scored())
    whole = everything([near(300), near(640), near(1000), near(1250), near(1250, kind="observation")])
    before = standing(whole, {"t": rules})
    assert before.total.tolist() == [100, 56, 20, 10, 10]
    assert before.rank.tolist() == [1, 2, 3, 4, 0]
    stricter = with_point(rules, "scored", 3, 1200, 0)
    told = flips(whole, before, standing_under(whole, stricter))
    assert whole.receipts[told.moved].tolist() == ["R3", "R4"] and told.shift.tolist() == [-10, -10]
    assert (told.gate_count, len(told.recommendations), len(told.ranks)) == (0, 0, 0)
    generous = with_point(rules, "scored", 2, 1000, 60)
    told = flips(whole, before, standing_under(whole, generous))
    assert [(f.receipt, f.before, f.after) for f in told.recommendation_flips()] == [
        ("R1", "debate", "integrate"), ("R2", "reject", "integrate")
    ]  # fmt: skip


def test_a_gate_flips_by_receipt_and_name():
    rules = criteria(gate(threshold=10.0), scored())
    rows = [near(300, **{FLOOD.key: {"value": share}}) for share in (5.0, 15.0, 25.0)]
    whole = everything(rows)
    told = flips(whole, standing(whole, {"t": rules}), standing_under(whole, with_threshold(rules, "gate", 20)))
    assert [(f.receipt, f.gate, f.before, f.after) for f in told.gate_flips()] == [("R1", "gate", "fail", "pass")]
    assert [(f.receipt, f.before, f.after) for f in told.recommendation_flips()] == [("R1", "reject", "integrate")]


def test_a_gate_that_comes_or_goes_flips_only_what_it_holds_up():
    rules, without = criteria(gate(threshold=10.0), scored()), criteria(scored())
    whole = everything([near(300), near(300, **{FLOOD.key: {"value": 50.0}})])
    told = flips(whole, standing(whole, {"t": without}), standing_under(whole, rules))
    assert [(f.receipt, f.before, f.after) for f in told.gate_flips()] == [("R1", "not_asked", "fail")]
    told = flips(whole, standing(whole, {"t": rules}), standing_under(whole, without))
    assert [(f.receipt, f.before, f.after) for f in told.gate_flips()] == [("R1", "fail", "not_asked")]
    narrow = criteria(dataclasses.replace(gate(threshold=10.0), themes=frozenset({"water"})), scored())
    told = flips(whole, standing(whole, {"t": rules}), standing_under(whole, narrow))
    assert [(f.receipt, f.before, f.after) for f in told.gate_flips()] == [("R1", "fail", "not_asked")]


def test_equal_totals_share_a_rank_and_themes_are_apart():
    total = np.array([50.0, 70, 50, np.nan, 90, 10, 99])
    theme = np.array([0, 0, 0, 0, 1, 0, 0])
    ranked = np.array([True] * 6 + [False])
    assert ranks(total, theme, ranked).tolist() == [2, 1, 2, 0, 1, 4, 0]


def test_a_set_that_changes_nothing_flips_nothing():
    whole = everything([near(300), near(700), near(1100, theme="water")])
    rules = criteria(gate(), scored(weight=3))
    same = flips(whole, standing(whole, {"t": rules}), standing_under(whole, with_weight(rules, "scored", 30)))
    assert (len(same.moved), same.gate_count, len(same.recommendations), len(same.ranks)) == (0, 0, 0, 0)


# -- what was never measured ---------------------------------------------------------------


def test_what_is_not_stored_is_named_and_nowhere_zero():
    whole = everything([near(640), near(640, theme="water")])
    draft = criteria(scored(), scored(CO2, ((0, 0), (100, 100)), 3, "co2"))
    (missing,) = not_measured(whole, draft)
    assert (missing.measure, missing.criteria, missing.proposals) == (CO2.key, ("co2",), 2)
    assert standing_under(whole, draft).total.tolist() == [56, 56]


def test_a_fact_that_was_sought_and_is_not_there_is_no_measure_that_is_missing():
    draft = criteria(gate(ZONE, None, None, None, {"inside": "pass", "straddles": "person", "outside": "fail"}))
    rows = [near(640, theme=theme, **{ZONE.key: answer})
            for theme, answer in (("mobility", {"value": "inside"}), ("mobility", None), ("water", None))]  # fmt: skip

    def lacking(since: float, themes: frozenset[str]) -> int:
        asked = {ZONE.key: (Asked(themes, frozenset(GEOMETRIES), since),)}
        return sum(missing.proposals for missing in not_measured(everything(rows, asked=asked), draft))

    assert lacking(since=50, themes=frozenset(THEMES)) == 0
    assert lacking(since=50, themes=frozenset({"mobility"})) == 1
    assert lacking(since=150, themes=frozenset(THEMES)) == 2


def test_only_whom_the_draft_asks_can_lack_a_measure():
    lines = dataclasses.replace(scored(CO2, ((0, 0), (100, 100)), key="co2"), geometries=frozenset({"line"}))
    assert not_measured(everything([near(640)]), criteria(lines)) == []


# -- one number changed --------------------------------------------------------------------


def test_one_number_changes_and_nothing_else():
    changed = with_weight(SHIPPED, "land", 31)
    assert changed.criterion("land").weight == 31
    assert [c for c in changed.criteria if c.key != "land"] == [c for c in SHIPPED.criteria if c.key != "land"]
    limits = with_threshold(SHIPPED, "corridor_urban", 25, ["polygon"]).criterion("corridor_urban").threshold
    assert limits == SHIPPED.criterion("corridor_urban").threshold | {"polygon": 25}
    moved = with_point(SHIPPED, "public_transport", 1, 600, 75).criterion("public_transport").value_function
    assert moved.points[1] == (600, 75) and moved.points[0] == (300, 100)
    assert measure_specs([changed]).keys() == measure_specs([SHIPPED]).keys()


@pytest.mark.parametrize(
    "change",
    [
        lambda: with_weight(SHIPPED, "zone", 3), lambda: with_weight(SHIPPED, "land", 0),
        lambda: with_weight(SHIPPED, "land", float("nan")), lambda: with_threshold(SHIPPED, "land", 3),
        lambda: with_threshold(SHIPPED, "watercourse_strip", 3), lambda: with_point(SHIPPED, "land", 0, 1, 2),
        lambda: with_point(SHIPPED, "public_transport", 4, 1, 2),
        lambda: with_point(SHIPPED, "public_transport", 0, 500, 2),
        lambda: with_point(SHIPPED, "public_transport", 0, 200, 101), lambda: with_point(SHIPPED, "climate", 0, 0, 5),
    ],
)  # fmt: skip
def test_a_number_that_is_not_there_or_not_possible_is_refused(change):
    with pytest.raises(MasterplanError):
        change()
