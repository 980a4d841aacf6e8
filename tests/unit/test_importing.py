"""Proposals that come in a file: columns mapped, rows checked, real ones read whole."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from layers.reading import Issue
from masterplan.errors import MasterplanError
from proposals.importing import ImportRow, _amount, parse_mapping, read_proposals

#: Metres east and north (EPSG:3844) that bring Łódź onto Iași.
LODZ_TO_IASI_M = (579_000.0, -523_500.0)
DEFAULTS = {"kind": "observation", "theme": "other", "author_kind": "citizen", "channel": "online"}
BUCHAREST = ZoneInfo("Europe/Bucharest")


def read(
    tmp_path: Path, text: str, mapping: str = "", **defaults: object
) -> tuple[list[ImportRow], list[Issue]]:
    """The rows and issues of a CSV."""
    path = tmp_path / "propuneri.csv"
    path.write_text(text, "utf-8")
    return read_proposals(path, parse_mapping(mapping), {**DEFAULTS, **defaults})


def one(tmp_path: Path, column: str, value: str, mapping: str = "") -> tuple[ImportRow | None, list[Issue]]:
    """What becomes of one row that is sound but for one column."""
    header = ["lon", "lat", *([] if column == "title" else ["title"]), column]
    fields = ["27.58", "47.16", *([] if column == "title" else ["Pod peste Bahlui"])]
    quoted = '"' + value.replace('"', '""') + '"'
    rows, issues = read(tmp_path, f"{','.join(header)}\n{','.join([*fields, quoted])}\n", mapping)
    return (rows[0] if rows else None), issues


# ---- the mapping


def test_a_mapping_as_typed() -> None:
    typed = 'title=Titlu, theme=Categorie,theme:Zieleń=green_blue,"theme:Dzieci, szkoły=other"'
    assert parse_mapping(typed) == {
        "title": "Titlu",
        "theme": "Categorie",
        "theme:Zieleń": "green_blue",
        "theme:Dzieci, szkoły": "other",
    }
    assert parse_mapping("") == {}
    assert parse_mapping("title=a=b,theme:x=y=water") == {"title": "a=b", "theme:x=y": "water"}


@pytest.mark.parametrize(
    "text", ["titlu=Titlu", "title", "title=", "=x", "theme:verde=green", "title:x=y", "status=published"]
)
def test_a_mapping_that_cannot_be_meant(text: str) -> None:
    with pytest.raises(MasterplanError):
        parse_mapping(text)


def test_a_default_for_no_field(tmp_path: Path) -> None:
    with pytest.raises(MasterplanError, match="status"):
        read(tmp_path, "lon,lat\n27,47\n", status="published")


def test_a_mapped_column_that_is_missing_refuses_the_file(tmp_path: Path) -> None:
    rows, issues = read(tmp_path, "lon,lat,titlu\n27.58,47.16,Pod peste Bahlui\n", "title=Titlu")
    assert rows == []
    assert [(i.row, i.field, i.outcome) for i in issues] == [(None, "title", "refused")]


# ---- rows


def test_a_row_with_everything(tmp_path: Path) -> None:
    text = (
        "lon;lat;Titlu;Text;Categorie;Cost;E-mail;Data;Cartier;tip\n"
        "27,58;47,16; Pod  peste Bahlui ;De la gară.;Drumuri;1.250.000,50 lei;ana@example.org;"
        "03.02.2026;Podu Roș;Firmă\n"
    )
    mapping = (
        "title=Titlu,description=Text,theme=Categorie,theme:Drumuri=mobility,budget_lei=Cost,"
        "email=E-mail,created=Data,author_kind=tip,author_kind:Firmă=company"
    )
    rows, issues = read(tmp_path, text, mapping)
    assert [(i.field, i.outcome, i.message("en")) for i in issues] == [
        ("budget_lei", "repaired", "The budget “1.250.000,50 lei” was read as 1250000.5 lei.")
    ]
    (row,) = rows
    submission = row.submission
    assert (submission.title, submission.description) == ("Pod peste Bahlui", "De la gară.")
    assert (submission.theme, submission.author_kind) == ("mobility", "company")
    assert (submission.budget_lei, submission.email) == (1_250_000.5, "ana@example.org")
    assert row.created_at == datetime(2026, 2, 3, tzinfo=BUCHAREST)
    assert submission.attributes == {"categorie": "Drumuri", "cartier": "Podu Roș", "tip": "Firmă"}
    assert row.geometry.equals(shapely.Point(27.58, 47.16))


def test_everything_wrong_with_a_row_is_told_at_once(tmp_path: Path) -> None:
    text = (
        "lon,lat,title,theme,email,budget_lei,created,kind\n"
        "27.58,47.16,ab,verde,nu,mult,ieri,plan\n"
        "27.58,47.16,Pod peste Bahlui,water,,,,\n"
    )
    rows, issues = read(tmp_path, text)
    assert [row.row for row in rows] == [2]
    assert {(i.row, i.field, i.outcome) for i in issues} == {
        (1, field, "refused") for field in ("title", "theme", "email", "budget_lei", "created", "kind")
    }
    assert all("{" not in i.message("en") for i in issues)


def test_a_unknown_word_is_answered_with_how_to_map_it(tmp_path: Path) -> None:
    _, issues = one(tmp_path, "theme", "Zieleń")
    assert "theme:Zieleń=mobility" in issues[0].message("en")


def test_faults_of_the_geometry_are_row_issues_too(tmp_path: Path) -> None:
    title = "Pod peste Bahlui"
    text = f"lon,lat,title\n47.16,27.58,{title}\n,47.16,{title}\n27.58,47.16,{title}\n"
    rows, issues = read(tmp_path, text)
    assert [row.row for row in rows] == [3]
    assert [(i.row, i.field) for i in issues] == [(1, "geometry"), (2, "lon")]
    assert "exchanged" in issues[0].message("en")


def test_a_title_that_is_too_long_moves_into_the_description(tmp_path: Path) -> None:
    title = "Un pod nou " * 25
    row, issues = one(tmp_path, "title", title)
    assert [i.outcome for i in issues] == ["repaired"]
    shortened = row.submission.title
    assert 180 < len(shortened) <= 200 and title.startswith(shortened.removesuffix("…") + " ")
    assert row.submission.description == title.strip()


def test_a_description_that_is_too_long_is_refused(tmp_path: Path) -> None:
    row, issues = one(tmp_path, "description", "x" * 10_001)
    assert row is None and [(i.field, i.outcome) for i in issues] == [("description", "refused")]


@pytest.mark.parametrize(
    ("text", "lei"),
    [
        ("80000", 80_000), ("80000.5", 80_000.5), ("80000,5", 80_000.5), ("1.500.000", 1_500_000),
        ("1.500", 1_500), ("1.500,25 lei", 1_500.25), ("1 500 000 RON", 1_500_000), ("0", 0),
        ("1\u00a0500\u00a0000", 1_500_000), ("1,500,000.75", 1_500_000.75), ("1,500.75", 1_500.75),
        ("0,125", 0.125),
    ],
)  # fmt: skip
def test_budgets_as_people_write_them(tmp_path: Path, text: str, lei: float) -> None:
    row, issues = one(tmp_path, "budget_lei", text)
    assert row.submission.budget_lei == lei
    assert [i.outcome for i in issues] == ([] if text.isdigit() else ["repaired"])


@pytest.mark.parametrize("text", ["1,500", "mult", "-5", "1.50.000", "12 mii", "1e5", "NaN", "9" * 20])
def test_budgets_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    row, issues = one(tmp_path, "budget_lei", text)
    assert row is None and [i.field for i in issues if i.outcome == "refused"] == ["budget_lei"]


@given(st.integers(0, 10**11), st.integers(0, 99))
def test_an_amount_in_romanian_is_read_back(whole: int, bani: int) -> None:
    grouped = f"{whole:,}".replace(",", ".")
    assert _amount(f"{grouped},{bani:02} lei") == pytest.approx(whole + bani / 100)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-03", datetime(2026, 2, 3, tzinfo=BUCHAREST)),
        ("3.2.2026", datetime(2026, 2, 3, tzinfo=BUCHAREST)),
        ("2026-02-03T10:20", datetime(2026, 2, 3, 10, 20, tzinfo=BUCHAREST)),
        ("2026-02-03T10:20:00+00:00", datetime.fromisoformat("2026-02-03T10:20:00+00:00")),
    ],
)
def test_dates(tmp_path: Path, text: str, moment: datetime) -> None:
    row, issues = one(tmp_path, "created", text)
    assert issues == [] and row.created_at == moment


@pytest.mark.parametrize("text", ["31.02.2026", "mâine", "2999-01-01"])
def test_dates_that_cannot_be(tmp_path: Path, text: str) -> None:
    row, issues = one(tmp_path, "created", text)
    assert row is None and [(i.field, i.outcome) for i in issues] == [("created", "refused")]


def test_personal_or_long_columns_do_not_become_public_attributes(tmp_path: Path) -> None:
    fields = ["27.58", "47.16", "Pod peste Bahlui", "scrie la a@b.ro", "x" * 600, "Iași"]
    text = f"lon,lat,title,Contact,Poveste,Oraș\n{','.join(fields)}\n"
    rows, issues = read(tmp_path, text)
    assert rows[0].submission.attributes == {"oras": "Iași"}
    assert [(i.field, i.outcome) for i in issues] == [("Contact", "warned"), ("Poveste", "warned")]


def test_attribute_names_stay_apart(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "lon,lat,title,Oraș,Oras,2026,тест\n27.58,47.16,Pod peste Bahlui,a,b,c,d\n")
    assert rows[0].submission.attributes == {"oras": "a", "oras_2": "b", "column_2026": "c", "column": "d"}


def test_the_same_row_of_the_same_file_has_the_same_key(tmp_path: Path) -> None:
    text = "lon,lat,title\n27.58,47.16,Pod peste Bahlui\n27.58,47.16,Pod peste Bahlui\n"
    keys = [[row.submission.submission_key for row in read(tmp_path, text)[0]] for _ in range(2)]
    assert keys[0] == keys[1] and len(set(keys[0])) == 2
    other = [row.submission.submission_key for row in read(tmp_path, text + "\n")[0]]
    assert not set(other) & set(keys[0])


def test_nested_values_of_geojson(tmp_path: Path) -> None:
    feature = {
        "type": "Feature",
        "properties": {"title": 2026, "tags": ["a", "b"], "ok": True, "n": 3, "none": None},
        "geometry": {"type": "Point", "coordinates": [27.58, 47.16]},
    }
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps(feature))
    rows, issues = read_proposals(path, {}, DEFAULTS)
    assert issues == [] and rows[0].submission.title == "2026"
    assert rows[0].submission.attributes == {"tags": '["a", "b"]', "ok": True, "n": 3}


# ---- real ones

LODZ_THEMES = {
    "Infrastruktura komunalna i bezpieczeństwo": "public_space",
    "Tereny zielone i ochrona środowiska": "green_blue",
    "Infrastruktura drogowa i komunikacja": "mobility",
    "Sport i rekreacja": "public_space",
    "Kultura i dziedzictwo": "other",
    "Edukacja, dzieci i młodzież": "other",
    "Inne": "other",
    "Zdrowie i pomoc społeczna": "other",
}
LODZ_MAPPING = {
    "theme": "category",
    "budget_lei": "cost_pln",
    **{f"theme:{word}": theme for word, theme in LODZ_THEMES.items()},
}


@pytest.mark.parametrize("ending", ["geojson", "csv"])
def test_the_proposals_of_lodz_move_to_iasi_with_nothing_lost(shared_data: Path, ending: str) -> None:
    folder = shared_data / "participatory"
    published = json.loads((folder / "lodz_budget_2026.geojson").read_text("utf-8"))["features"]
    defaults = {name: value for name, value in DEFAULTS.items() if name != "theme"}
    rows, issues = read_proposals(
        folder / f"lodz_budget_2026.{ending}", LODZ_MAPPING, defaults, offset_m=LODZ_TO_IASI_M
    )
    assert len(rows) == len(published) == 967
    assert {i.outcome for i in issues} == {"repaired"}
    assert Counter(i.field for i in issues) == {"title": 27}
    metres = Transformer.from_crs(4326, 3844, always_xy=True)
    for row, feature in zip(rows, published, strict=True):
        there, given = feature["properties"], row.submission
        title = " ".join(there["title"].split())
        assert given.title == title or given.description.startswith(title)
        assert given.description.endswith(there["description"].strip())
        assert given.theme == LODZ_THEMES[there["category"]]
        assert given.budget_lei == there["cost_pln"]
        assert given.attributes["category"] == there["category"]
        for name in ("scope", "district", "source_url"):
            assert given.attributes.get(name, "") == (there[name] or "")
        assert row.feature_id == feature["id"]
        moved = metres.transform(row.geometry.x, row.geometry.y)
        x, y = metres.transform(*feature["geometry"]["coordinates"])
        assert moved == pytest.approx((x + LODZ_TO_IASI_M[0], y + LODZ_TO_IASI_M[1]), abs=0.01)
    assert len({row.submission.submission_key for row in rows}) == 967
    west, south, east, north = shapely.total_bounds([row.geometry for row in rows])
    assert 27.2 < west < east < 28.0 and 46.9 < south < north < 47.4
