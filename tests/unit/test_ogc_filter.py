"""What may stand in `filter=`: nothing but named operators, known properties and literals."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import shapely
from cql2 import Expr
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.ogc_filter import (
    MAX_BRACKETS_IN_TEXT,
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_NODES,
    OPERATORS,
    Refused,
    Window,
    checked_filter,
    checked_interval,
)

COLUMNS = {
    "id": "text", "status": "text", "order": "text", "lines": "number", "in_zone": "boolean",
    "source_date": "date", "created_at": "time", "geom": "geometry",
}  # fmt: skip
WINDOW = Window(-12.0, 7.0, 67.0, 87.0, (18.0, 41.0, 33.0, 50.0))

#: All that the SQL of a checked filter may call, with what cql2 writes around literals.
CALLABLE = {
    "and", "or", "not", "in", "like", "between", "some", "array", "cast", "lower", "st_geomfromgeojson",
    *(operator.replace("s_", "st_", 1) for operator in OPERATORS if operator.startswith("s_")),
}  # fmt: skip


def _sql(given_filter: str, language: str | None = None) -> str:
    return checked_filter(given_filter, language, COLUMNS, WINDOW).to_sql()


@pytest.mark.parametrize(
    ("asked", "sql"),
    [
        ("status = 'existing'", "status = 'existing'"),
        ("'existing' = status", "'existing' = status"),
        ("lines>2 AND NOT (status='a' OR status='b')", "lines > 2 AND NOT (status = 'a' OR status = 'b')"),
        ("casei(status) LIKE casei('A%')", "lower(status) LIKE lower('A%') ESCAPE '\\'"),
        ("status IN ('a', 'b')", "status = SOME(ARRAY['a', 'b'])"),
        ("lines BETWEEN 1 AND 2", "lines BETWEEN 1 AND 2"),
        ("status IS NOT NULL", "NOT status IS NULL"),
        ("\"order\" = 'x'", "\"order\" = 'x'"),
        ("status = 'it''s'", "status = E'it\\'s'"),
        ("in_zone = true", "in_zone = true"),
        ("source_date > DATE('2026-01-31')", "source_date > CAST('2026-01-31' AS DATE)"),
        ("t_after(source_date, DATE('2026-01-31'))", "source_date >= CAST('2026-02-01' AS DATE)"),
    ],
)
def test_what_is_allowed_comes_through_unchanged(asked: str, sql: str) -> None:
    assert _sql(asked) == sql


@pytest.mark.parametrize(
    ("operator", "sql"),
    [
        ("t_before", "p < a"),
        ("t_after", "p > b"),
        ("t_during", "p > a AND p < b"),
        ("t_intersects", "NOT p < a AND NOT p > b"),
        ("t_equals", "NOT p < a AND NOT p > b"),
        ("t_disjoint", "p < a OR p > b"),
    ],
)
def test_temporal_operators_are_comparisons(operator: str, sql: str) -> None:
    first, last = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
    written = _sql(f"{operator}(created_at, INTERVAL('{first}', '{last}'))")
    for moment, letter in ((first, "a"), (last, "b")):
        written = written.replace(f"CAST('{moment}' AS TIMESTAMP WITH TIME ZONE)", letter)
    assert written.replace("created_at", "p") == sql


@pytest.mark.parametrize("operator", [op for op in OPERATORS if op.startswith("s_")])
def test_spatial_operators_take_one_literal_geometry(operator: str) -> None:
    assert _sql(f"{operator}(geom, POINT(27 47))").startswith(operator.replace("s_", "st_", 1) + "(geom, ")
    for other in ("geom", "POINT(27 47), POINT(27 47)", "status", "'POINT(27 47)'", "pg_sleep(1)"):
        with pytest.raises(Refused):
            _sql(f"{operator}(geom, {other})")


@pytest.mark.parametrize("name", [
    "pg_sleep", "query_to_xml", "set_config", "current_setting", "version", "lo_import", "pg_read_file",
    "dblink", "st_buffer", "st_asgeojson", "accenti", "coalesce", "xmlparse", "a_contains", "s_dwithin",
    "t_meets", "+", "div", "ＡＮＤ", "AND ", "s_intersects(geom", "=--", "", "isnull", "casei",
])  # fmt: skip
def test_no_other_operator_passes(name: str) -> None:
    prop = {"property": "status"}
    for tree in (
        {"op": name, "args": [prop]},
        {"op": name, "args": [prop, "x"]},
        {"op": "=", "args": [{"op": name, "args": [1]}, "x"]},
        {"op": "=", "args": [prop, {"op": name, "args": [1]}]},
        {"op": "and", "args": [{"op": "=", "args": [prop, "x"]}, {"op": name, "args": [prop, "x"]}]},
        {"op": "like", "args": [prop, {"op": name, "args": [1]}]},
        {"op": "in", "args": [prop, [{"op": name, "args": [1]}]]},
        {"op": "between", "args": [{"property": "lines"}, 1, {"op": name, "args": [1]}]},
        {"op": "isNull", "args": [{"op": name, "args": [1]}]},
        {"op": "casei", "args": [{"op": name, "args": [1]}]},
        {"op": "not", "args": [{"op": name, "args": []}]},
        {"op": "s_intersects", "args": [{"property": "geom"}, {"op": name, "args": [1]}]},
        {"op": "t_after", "args": [{"property": "created_at"}, {"op": name, "args": [1]}]},
        {"op": "t_during", "args": [{"property": "created_at"}, {"interval": [{"op": name}, ".."]}]},
    ):
        with pytest.raises(Refused):
            _sql(json.dumps(tree))


def test_sizes_are_capped() -> None:
    condition = "lines=1"
    with pytest.raises(Refused, match="characters"):
        _sql("status='" + "a" * MAX_CHARACTERS + "'")
    with pytest.raises(Refused, match="brackets"):
        _sql("(" * (MAX_BRACKETS_IN_TEXT + 1) + condition + ")" * (MAX_BRACKETS_IN_TEXT + 1))
    deep = {"op": "=", "args": [{"property": "lines"}, 1]}
    for _ in range(MAX_DEPTH - 1):
        deep = {"op": "not", "args": [deep]}
    assert _sql(json.dumps(deep))
    with pytest.raises(Refused, match="deep"):
        _sql(json.dumps({"op": "not", "args": [deep]}))
    many = ",".join("1" for _ in range(MAX_NODES))
    with pytest.raises(Refused, match="more than"):
        _sql(f"lines IN ({many})")


@contextmanager
def _not_endless(seconds: int = 30) -> Iterator[None]:
    """What the parser would take exponential time for is interrupted, however slow the machine."""

    def interrupt(*_: object) -> None:
        raise AssertionError(f"not read within {seconds} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_quotation_marks_do_not_hide_brackets() -> None:
    assert _sql("status = '((((((((((((('")
    for hiding in ("status = '" + "(" * 30, 'status = "' + "(" * 30, "'\"'" + "(" * 30, "''(" * 30):
        with _not_endless(), pytest.raises(Refused):
            _sql(hiding)


_PIECES = st.sampled_from([
    "(", ")", "((", "))", "'", "''", '"', ",", " ", "not ", " and ", " or ", "=", "<", "status", "lines",
    "geom", "1", "-", "+", "*", "^", "'x'", "casei(", "pg_sleep(", "s_intersects(geom,", "point(1 2)",
    "polygon((", "bbox(", "date(", "interval(", "between ", "in (", "like ", "is null", "true", "{", "[",
    "\\", "\x00", "--", "/*", ";", "::text", "é",
])  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(_PIECES, max_size=60).map("".join))
def test_any_text_is_refused_or_safe_and_not_endless(asked: str) -> None:
    with _not_endless():
        _refused_or_safe(asked)


_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([*COLUMNS, "pg_sleep(1)"]).map(lambda name: {"property": name}),
    st.sampled_from([{"date": "2026-01-01"}, {"timestamp": "2026-01-01T00:00:00Z"},
                     {"bbox": [27, 47, 28, 48]}, {"interval": ["2026-01-01", ".."]},
                     {"type": "Point", "coordinates": [27, 47]}]),
)  # fmt: skip
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.fixed_dictionaries({
            "op": st.sampled_from([*OPERATORS, "pg_sleep", "casei", "+", "st_transform"]),
            "args": st.lists(inner, max_size=3),
        }),
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(_TREES)
def test_any_tree_is_refused_or_safe(tree) -> None:
    written = json.dumps(tree)
    _refused_or_safe(written if written.startswith("{") else '{"op":"not","args":[' + written + "]}")


def _refused_or_safe(asked: str) -> None:
    try:
        expression = checked_filter(asked, None, COLUMNS, WINDOW)
    except Refused:
        return
    _assert_safe(expression)


def _assert_safe(expression: Expr) -> None:
    """The SQL, without its quoted texts, calls nothing but what is known and names nothing but columns."""
    bare = re.sub(r"E'(?:[^'\\]|\\.)*'|'[^']*'", "''", expression.to_sql())
    assert {word.lower() for word in re.findall(r"(\w+)\s*\(", bare)} <= CALLABLE, bare
    assert not re.search(r";|--|/\*|::|\$", bare), bare
    words = {word.lower() for word in re.findall(r"[A-Za-z_]\w*", bare)}
    keywords = {"is", "null", "true", "false", "escape", "as", "e"}
    keywords |= {"date", "timestamp", "with", "time", "zone"}
    assert words <= {*COLUMNS, *CALLABLE, *keywords}, bare


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_texts_stay_texts(value: str) -> None:
    """Whatever stands in a text, only the text's own quoting is around it."""
    tree = {"op": "=", "args": [{"property": "status"}, value]}
    try:
        sql = _sql(json.dumps(tree))
    except Refused:
        assert re.search("[\x00-\x1f\x7f\ud800-\udfff]", value)
        return
    assert re.fullmatch(r"status = (E'(?:[^'\\]|\\.)*'|'[^'\\]*')", sql, re.DOTALL)


def test_a_box_is_what_lies_between_parallels_and_meridians() -> None:
    box = shapely.geometry.shape(WINDOW.box(-180, -90, 180, 90))
    assert box.is_valid
    assert box.equals(shapely.box(-12, 7, 67, 87))
    small = WINDOW.box(27.0, 47.0, 28.0, 47.5)
    assert shapely.geometry.shape(small).equals(shapely.box(27.0, 47.0, 28.0, 47.5))
    ring = small["coordinates"][0]
    steps = [max(abs(a[0] - b[0]), abs(a[1] - b[1])) for a, b in zip(ring, ring[1:], strict=False)]
    assert max(steps) <= 0.2 + 1e-9
    assert WINDOW.box(100, 10, 110, 20) is None


@pytest.mark.parametrize("good", [
    "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+02:00", "2026-01-01T00:00:00.5Z",
    "../2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z/..", "/2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00Z/2026-01-01T00:00:00Z",
])  # fmt: skip
def test_moments_of_rfc_3339(good: str) -> None:
    checked_interval(good)


@pytest.mark.parametrize("bad", [
    "", "..", "/", "../..", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z",
    "2026-01-01T25:00:00Z", "2026-02-01T00:00:00Z/2026-01-01T00:00:00Z", "a/b/c",
    "2026-01-01T00:00:00Z' OR 1=1", "0000-01-01T00:00:00Z", "2٠26-01-01T00:00:00Z", "٢٠٢٦-01-01T00:00:00Z",
])  # fmt: skip
def test_other_moments_are_refused(bad: str) -> None:
    with pytest.raises(Refused):
        checked_interval(bad)
