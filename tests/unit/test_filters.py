"""Filters: three forms of one value, every fault at once."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masterplan.errors import InputError
from masterplan.language import LANGUAGES
from proposals.criteria import THEMES
from proposals.filters import (
    AUTHOR_KINDS,
    EVERYTHING,
    GATE_VERDICTS,
    KINDS,
    OPERATORS,
    STATUSES,
    CriterionCondition,
    GateCondition,
    Known,
    ProposalFilter,
    from_dict,
    from_words,
)

keys = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
#: As many decimals as people write.
finite = st.integers(-(10**9), 10**9).map(lambda thousandths: thousandths / 1000)
#: Text without what neither PostgreSQL nor UTF-8 can hold.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


def some(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=4).map(tuple)


def ordered(values: st.SearchStrategy) -> st.SearchStrategy[tuple]:
    """A low and a high end, each of which may be missing."""
    return st.tuples(values, values, st.booleans(), st.booleans()).map(
        lambda t: (min(t[0], t[1]) if t[2] else None, max(t[0], t[1]) if t[3] else None)
    )


@st.composite
def boxes(draw: st.DrawFn) -> tuple[float, float, float, float]:
    west, east = sorted(draw(st.lists(st.floats(-180, 180), min_size=2, max_size=2, unique=True)))
    south, north = sorted(draw(st.lists(st.floats(-90, 90), min_size=2, max_size=2, unique=True)))
    return west, south, east, north


@st.composite
def filters(draw: st.DrawFn) -> ProposalFilter:
    low, high = draw(ordered(st.floats(0, 100)))
    since, until = draw(ordered(st.dates(date(1990, 1, 1), date(2200, 1, 1))))
    return ProposalFilter(
        kind=draw(st.none() | st.sampled_from(KINDS)),
        statuses=draw(some(*STATUSES)),
        themes=draw(some(*THEMES)),
        uats=draw(some("95060", "100834", "99922")),
        author_kinds=draw(some(*AUTHOR_KINDS)),
        receipts=draw(some("MP-1", "MP-2")),
        bbox=draw(st.none() | boxes()),
        text=draw(texts),
        min_score=low,
        max_score=high,
        gates=tuple(draw(st.lists(st.builds(GateCondition, keys, st.sampled_from(GATE_VERDICTS)), max_size=3))),
        criteria=tuple(
            draw(st.lists(st.builds(CriterionCondition, keys, st.sampled_from(OPERATORS), finite), max_size=3))
        ),
        since=since,
        until=until,
    )


@given(filters())
def test_json_and_back_is_the_same_filter(wanted: ProposalFilter) -> None:
    through_json = json.loads(json.dumps(wanted.to_dict()))
    assert from_dict(through_json) == wanted
    assert from_dict(through_json).to_dict() == wanted.to_dict()


@given(filters())
def test_words_and_back_is_the_same_filter(wanted: ProposalFilter) -> None:
    typed = wanted.to_dict()
    if wanted.bbox:
        typed["bbox"] = ",".join(map(repr, wanted.bbox))
    typed["gate"] = [f"{gate.key}={gate.verdict}" for gate in wanted.gates]
    typed["criterion"] = [f"{c.key}{c.operator}{c.value:f}" for c in wanted.criteria]
    assert from_words(**typed) == wanted


@given(filters(), st.randoms())
def test_order_repetition_and_spaces_do_not_matter(wanted: ProposalFilter, random) -> None:
    document = wanted.to_dict()
    for name, value in document.items():
        if isinstance(value, list) and name != "bbox":
            document[name] = random.sample(value * 2, len(value) * 2)
    if "text" in document:
        document["text"] = f"  {document['text'].replace(' ', '  ')} "
    shuffled = dict(random.sample(list(document.items()), len(document)))
    assert json.dumps(from_dict(shuffled).to_dict()) == json.dumps(wanted.to_dict())


def test_one_number_has_one_form() -> None:
    typed, built = from_words(min_score=0, bbox="-0.0,1,2,3"), ProposalFilter(min_score=-0.0, bbox=(0, 1, 2, 3))
    assert json.dumps(typed.to_dict()) == json.dumps(built.to_dict())


def test_the_empty_filter_is_an_empty_document() -> None:
    assert EVERYTHING.to_dict() == {}
    assert from_dict({}) == from_words() == EVERYTHING


def test_words_as_typed_on_the_command_line() -> None:
    read = from_words(
        kind="proposal", theme=["water"], bbox="27.5, 47.1,27.7,47.2", criterion=["land >= 60", "heat_cooling<12,5"],
        gate=["zone=pass", "flood_frequent = not_assessed"], since="2026-11-01", until="2026-11-01", max_score=40,
    )  # fmt: skip
    assert read.bbox == (27.5, 47.1, 27.7, 47.2)
    assert read.criteria == (CriterionCondition("heat_cooling", "<", 12.5), CriterionCondition("land", ">=", 60.0))
    assert read.gates == (GateCondition("flood_frequent", "not_assessed"), GateCondition("zone", "pass"))
    assert read.since == read.until == date(2026, 11, 1)


def test_a_decomposed_letter_is_the_same_text() -> None:
    assert from_words(text="s\u0326coala\u0306") == from_words(text="\u0219coal\u0103")


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        from_words(
            kind="idea", status=["new", "published"], theme=["water", "war"], uat=["Iași"], bbox="1,2,3",
            gate=["zone", "zone=maybe"], criterion=["land>>6", "land~6", "land>=nan"], min_score=101,
            since="23.11.2026", until="2026-02-30", receipt=["a'b"], text="x" * 300,
        )  # fmt: skip
    named = [name for name, _ in caught.value.faults]
    assert sorted(named) == sorted(
        ["kind", "status", "theme", "uat", "bbox", "gate", "gate", "criterion", "criterion", "criterion", "min_score",
         "since", "until", "receipt", "text"]
    )  # fmt: skip
    for language in LANGUAGES:
        assert caught.value.message(language)


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ("27.7,47.1,27.5,47.2", ["The west edge (27.7) does not lie west of the east edge (27.5)."]),
        ("27.5,47.2,27.7,47.1", ["The south edge (47.2) does not lie south of the north edge (47.1)."]),
        ("27.7,47.2,27.5,47.1", ["The west edge (27.7)", "The south edge (47.2)"]),
        ("27.5,47.1,27.5,47.1", ["The west edge (27.5)", "The south edge (47.1)"]),
        ("nan,47.1,inf,47.2", ["The west edge “nan” is not a longitude", "The east edge “inf” is not a longitude"]),
        ("-181,-90.5,27,x", ["The west edge “-181”", "The south edge “-90.5” is not a lat", "The north edge “x”"]),
        ("695000,630000,696000,631000", ["“695000”", "“630000”", "“696000”", "“631000”"]),
        ("27.5,47.1,27.7", ["“27.5,47.1,27.7” is not a box. Write west,south,east,north"]),
        ("27,5,47,1,27,7,47,2", ["“27,5,47,1,27,7,47,2” is not a box"]),
        ("", ["“ ” is not a box"]),
    ],
)
def test_each_fault_of_a_box_is_said_as_it_was_typed(box: str, said: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        from_words(bbox=box or " ")
    sentences = [str(fault) for name, fault in caught.value.faults if name == "bbox"]
    assert len(sentences) == len(caught.value.faults) == len(said)
    for sentence, part in zip(sentences, said, strict=True):
        assert part in sentence and "[" not in sentence


KNOWN = Known(frozenset({"zone"}), frozenset({"land"}), {"95060": "Iași", "97429": "Ciurea"})


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"gate": ["zona=pass"]}, "No criteria set has the gate “zona”. Gates are: zone."),
        ({"gate": ["land=pass"]}, "“land” is no gate: it has a score. Ask for it, as in 'land>=60', under criterion"),
        ({"criterion": ["lnd>=60"]}, "No criteria set has the criterion “lnd”. Criteria with a score are: land."),
        ({"criterion": ["zone>=60"]}, "“zone” is a gate: it answers and has no score. Ask for an answer, as in zone=p"),
        ({"uat": ["1"]}, "No UAT on the map has the SIRUTA code 1. There are: 97429 Ciurea, 95060 Iași."),
        ({"uat": ["Iași"]}, "“Iași” is not a SIRUTA code"),
        ({"theme": ["war"]}, "“war” is not known here. Known are: mobility, "),
    ],
)  # fmt: skip
def test_what_the_database_does_not_have_is_refused_with_what_it_has(typed: dict, said: str) -> None:
    with pytest.raises(InputError) as caught:
        from_words(**typed, known=KNOWN)
    ((name, fault),) = caught.value.faults
    assert name == next(iter(typed)) and str(fault).startswith(said)


def test_faults_of_every_sort_are_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        from_words(gate=["zona=pass", "zone=pass", "zone"], criterion=["zone>=1"], uat=["2", "95060"], known=KNOWN)
    assert sorted(name for name, _ in caught.value.faults) == ["criterion", "gate", "gate", "uat"]


def test_what_the_database_has_is_taken() -> None:
    typed = {"gate": ["zone=pass"], "criterion": ["land>=60"], "uat": ["95060"]}
    assert from_words(**typed, known=KNOWN) == from_words(**typed)


@pytest.mark.parametrize("pair", [{"min_score": 60, "max_score": 40}, {"since": "2026-02-01", "until": "2026-01-01"}])
def test_ends_that_cross_are_refused(pair: dict) -> None:
    with pytest.raises(InputError):
        from_words(**pair)


@pytest.mark.parametrize(
    "document",
    [
        {"nonsense": 1},
        {"kind": None},
        {"kind": ["proposal"]},
        {"status": "published"},
        {"status": [["published"]]},
        {"theme": ["water"] * 300},
        {"bbox": [27.5, 47.1, 27.4, 47.2]},
        {"bbox": [27.5, 47.1, float("inf"), 47.2]},
        {"bbox": [27.5, 47.1, True, 47.2]},
        {"text": "\0"},
        {"text": "\ud800"},
        {"min_score": float("nan")},
        {"min_score": "60"},
        {"gate": [["zone"]]},
        {"gate": [["zone{x}", "pass"]]},
        {"gate": ["zone=pass"]},
        {"criterion": [["land", ">=", "60"]]},
        {"criterion": [["land", "; DROP", 60]]},
        {"criterion": [["land", ">=", float("inf")]]},
        {"since": 20260101},
        {"until": "9999-12-31"},
    ],
)
def test_what_is_not_a_filter_is_refused(document: dict) -> None:
    with pytest.raises(InputError):
        from_dict(document)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x, max_size=3)), texts)
def test_any_json_is_read_or_refused_in_words(value: object, word: str) -> None:
    for name in ("kind", "status", "bbox", "text", "min_score", "gate", "criterion", "since", word):
        try:
            assert from_dict(from_dict({name: value}).to_dict())
        except InputError as refused:
            assert refused.faults


@given(texts)
def test_any_typed_word_is_read_or_refused_in_words(word: str) -> None:
    for typed in ({"bbox": word}, {"gate": [word]}, {"criterion": [word]}, {"since": word}, {"uat": [word]}):
        try:
            from_words(**typed)
        except InputError as refused:
            assert refused.faults
