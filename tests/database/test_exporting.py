"""The exported file against the database, row by row, read by code that knows nothing of the exporter."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from datetime import datetime
from pathlib import Path

import pytest
import shapely
from proposal_rows import CANARY, EVENT_AS_EXPORTED, Row, insert, rows
from sqlalchemy import create_engine, text

from masterplan import files
from masterplan.actors import SYSTEM, VISITOR, Actor, Role
from masterplan.database import admin_url, app_engine, owner_transaction, transaction
from masterplan.errors import InputError, MasterplanError, Unavailable
from masterplan.place import place
from proposals import exporting
from proposals.exporting import export_to_file, stream_geojson
from proposals.filters import EVERYTHING, ProposalFilter, from_words

pytestmark = pytest.mark.database

ROWS = rows(1300, seed=11)
PLANNER = Actor(Role.PLANNER, user="demo")


@pytest.fixture(scope="module", autouse=True)
def _filled(database_name: str) -> None:
    with transaction(SYSTEM) as connection:
        insert(connection, ROWS)


def _exported(wanted: ProposalFilter = EVERYTHING, actor: Actor = PLANNER) -> dict:
    return json.loads(b"".join(stream_geojson(wanted, actor)), parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


# -- contents ------------------------------------------------------------------------------


def test_every_row_is_there_once_with_all_its_values() -> None:
    features = _exported()["features"]
    assert [feature["id"] for feature in features] == [row.receipt for row in ROWS]
    for feature, row in zip(features, ROWS, strict=True):
        _compare(feature, row)


def _compare(feature: dict, row: Row) -> None:
    properties = feature["properties"]
    assert feature["type"] == "Feature"
    assert datetime.fromisoformat(properties.pop("created_at")) == row.created_at
    criteria, name = properties.pop("criteria"), properties.pop("uat_name")
    assert name == {"95060": "Iași"}.get(row.uat), "the other code is no UAT of the plan"
    assert properties == {
        "receipt": row.receipt, "kind": row.kind, "theme": row.theme, "status": row.status, "title": row.title,
        "description": row.description, "author_kind": row.author_kind, "channel": row.channel,
        "source_event": EVENT_AS_EXPORTED, "uat": row.uat,
        "on_behalf_of": row.on_behalf_of, "budget_lei": row.budget_lei,
        "documentation_stage": row.documentation_stage, "criteria_set": "v0", "demo": False,
        "score": row.total, "coverage": row.coverage, "recommendation": row.recommendation,
        "outcome": None, "reason": None, "departure": None, "redirected_to": None, "decided_at": None,
        "edition": None if row.results is None else 1, "stale": None if row.results is None else False,
    }  # fmt: skip
    told = ("value", "unit", "score", "verdict", "weight")
    assert criteria == {
        key: {each: result.get(each) for each in told} for key, result in (row.results or {}).items()
    }
    shape = shapely.geometry.shape(feature["geometry"])
    assert shape.geom_type == row.geometry.geom_type
    assert shape.normalize().equals_exact(row.degrees.normalize(), 1e-7)
    for area in shapely.get_parts(shape):
        if area.geom_type == "Polygon":
            assert area.exterior.is_ccw and not any(hole.is_ccw for hole in area.interiors)


def test_the_collection_says_what_it_is() -> None:
    wanted = from_words(kind="proposal", criterion=["land>=60"])
    collection = _exported(wanted)
    assert collection["type"] == "FeatureCollection"
    assert "crs" not in collection
    assert collection["disclaimer"] == {"ro": place().disclaimer_ro, "en": place().disclaimer_en}
    assert collection["filter"] == wanted.to_dict()
    assert collection["edition"]["id"] == 1
    with transaction() as connection:
        stored = connection.execute(text("SELECT id, version, indicative FROM masterplan.layer")).all()
    assert collection["layers"] == {r.id: {"version": r.version, "indicative": r.indicative} for r in stored}
    assert collection["indicative"]["ro"] == place().indicative_ro
    assert abs((datetime.fromisoformat(collection["generated_at"]) - datetime.now().astimezone()).total_seconds()) < 60


def test_it_is_exactly_what_the_filter_means() -> None:
    wanted = from_words(theme=["water", "mobility"], max_score=60)
    expected = [r.receipt for r in ROWS if r.theme in ("water", "mobility") and r.total is not None and r.total <= 60]
    assert [feature["id"] for feature in _exported(wanted)["features"]] == expected


def test_none_is_an_empty_collection() -> None:
    assert _exported(from_words(receipt=["none-such"]))["features"] == []


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_pieces_join_at_their_edges(beyond: int) -> None:
    some = [row.receipt for row in ROWS[: exporting._ROWS_A_PIECE + beyond]]
    wanted = ProposalFilter(receipts=tuple(some))
    assert [feature["id"] for feature in _exported(wanted)["features"]] == some


def test_no_address_leaves() -> None:
    """Canaries lie in contacts, sessions, attributes, source events and inside results."""
    with transaction(SYSTEM) as connection:
        planted = connection.scalar(text(f"SELECT count(*) FROM masterplan.contact WHERE email LIKE '{CANARY}%'"))
    assert planted == len(ROWS)
    whole = b"".join(stream_geojson(EVERYTHING, SYSTEM))
    assert CANARY.encode() not in whole
    assert b"@" not in whole


def test_an_actor_gets_what_they_may_see() -> None:
    expected = [row.receipt for row in ROWS if row.status == "published"]
    assert [feature["id"] for feature in _exported(actor=VISITOR)["features"]] == expected


def test_a_mistyped_criterion_is_refused_before_the_first_byte() -> None:
    with pytest.raises(InputError):
        next(stream_geojson(from_words(criterion=["lnd>=60"]), PLANNER))


# -- one snapshot, flat memory, no half file -----------------------------------------------


def test_what_changes_meanwhile_does_not_show() -> None:
    pieces = stream_geojson(EVERYTHING, PLANNER)
    first = next(pieces)
    victim = ROWS[-1]
    with transaction(SYSTEM) as connection:
        connection.execute(
            text("UPDATE masterplan.proposal SET status = 'hidden' WHERE receipt = :r"), {"r": victim.receipt}
        )
        insert(connection, late := rows(2, seed=5, prefix="LATE"))
    try:
        features = json.loads(first + b"".join(pieces))["features"]
        assert len(features) == len(ROWS)
        assert features[-1]["properties"]["status"] == victim.status
        assert len(_exported()["features"]) == len(ROWS) + 2
    finally:
        _remove([row.receipt for row in late])
        with transaction(SYSTEM) as connection:
            connection.execute(
                text("UPDATE masterplan.proposal SET status = :s WHERE receipt = :r"),
                {"s": victim.status, "r": victim.receipt},
            )


def test_head_and_rows_are_of_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed after the head was read is not among the rows."""
    whole = exporting._opening

    def opening(connection, wanted):
        head = whole(connection, wanted)
        with transaction(SYSTEM) as other:
            insert(other, rows(1, seed=5, prefix="LATE"))
        return head

    monkeypatch.setattr(exporting, "_opening", opening)
    try:
        assert len(_exported()["features"]) == len(ROWS)
    finally:
        _remove(["LATE-00000"])


def _remove(receipts: list[str]) -> None:
    with owner_transaction() as connection:
        connection.execute(text("ALTER TABLE masterplan.proposal NO FORCE ROW LEVEL SECURITY"))
        connection.execute(text("DELETE FROM masterplan.proposal WHERE receipt = ANY(:r)"), {"r": receipts})
        connection.execute(text("ALTER TABLE masterplan.proposal FORCE ROW LEVEL SECURITY"))


def test_stopping_early_gives_the_connection_back() -> None:
    pieces = stream_geojson(EVERYTHING, PLANNER)
    next(pieces)
    assert app_engine().pool.checkedout() == 1
    pieces.close()
    assert app_engine().pool.checkedout() == 0


def test_the_next_transaction_may_write_again() -> None:
    list(stream_geojson(EVERYTHING, PLANNER))
    with transaction(SYSTEM) as connection:
        assert connection.scalar(text("SHOW transaction_read_only")) == "off"
        assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"
        assert connection.scalar(text("SELECT current_setting('masterplan.role')")) == "system"


def test_memory_does_not_grow_with_the_rows() -> None:
    """Several times the pieces, the same peak."""
    piece = exporting._ROWS_A_PIECE
    few = _peak(ProposalFilter(receipts=tuple(row.receipt for row in ROWS[:piece])))
    assert len(ROWS) > 2.5 * piece
    assert _peak(EVERYTHING) < 1.3 * few


def test_rows_are_fetched_piece_by_piece() -> None:
    """Else the driver would hold all of them, where Python does not see it."""
    pieces = stream_geojson(EVERYTHING, PLANNER)
    next(pieces)
    engine = create_engine(admin_url())
    with engine.connect() as connection:
        last = connection.scalar(text(
            "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
            " AND pid <> pg_backend_pid()"
        ))  # fmt: skip
    engine.dispose()
    pieces.close()
    assert last.startswith("FETCH FORWARD ")


def _peak(wanted: ProposalFilter) -> int:
    tracemalloc.start()
    for _ in stream_geojson(wanted, PLANNER):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


# -- files ---------------------------------------------------------------------------------


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.geojson"
    assert export_to_file(EVERYTHING, PLANNER, str(path)) == len(ROWS)
    assert len(json.loads(path.read_bytes())["features"]) == len(ROWS)
    assert [each.name for each in tmp_path.iterdir()] == ["out.geojson"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    return int(subprocess.check_output(["sh", "-c", "umask"]), 8)


def test_a_failed_export_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.geojson"
    path.write_text("before")
    _fail_after_the_first_piece(monkeypatch)
    with pytest.raises(Unavailable):
        export_to_file(EVERYTHING, PLANNER, str(path))
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["out.geojson"]
    assert app_engine().pool.checkedout() == 0


def _fail_after_the_first_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends our session while the file is being written."""
    written = files._write

    def write(pieces, file):
        file.write(next(pieces))
        end_export_sessions()
        return written(pieces, file)

    monkeypatch.setattr(files, "_write", write)


def end_export_sessions() -> None:
    engine = create_engine(admin_url())
    with engine.connect() as connection:
        ended = connection.scalar(text(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction' AND pid <> pg_backend_pid()"
        ))  # fmt: skip
    engine.dispose()
    assert ended == 1


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MasterplanError) as caught:
        export_to_file(EVERYTHING, PLANNER, str(tmp_path / "none" / "out.geojson"))
    assert "No such file" in str(caught.value)


def test_a_link_is_followed_and_not_replaced(tmp_path: Path) -> None:
    link, target = tmp_path / "link.geojson", tmp_path / "target.geojson"
    link.symlink_to(target)
    export_to_file(from_words(receipt=[ROWS[0].receipt]), PLANNER, str(link))
    assert link.is_symlink()
    assert json.loads(target.read_bytes())["features"][0]["id"] == ROWS[0].receipt


def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert export_to_file(from_words(receipt=[ROWS[0].receipt]), PLANNER, "-") == 1
    sys.stdout.flush()
    assert json.loads(capfdbinary.readouterr().out)["features"][0]["id"] == ROWS[0].receipt
