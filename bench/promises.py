"""What must come out whole, at full size: bad files, naughty strings, real proposals, the export, the tiles."""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from bench import worlds
from bench.figures import Goal, Section
from bench.worlds import SHARED_DATA, Say
from layers.reading import read_features
from layers.tiles import TileAddress
from masterplan.actors import SYSTEM, VISITOR, Actor, Role
from masterplan.database import transaction
from masterplan.errors import InputError
from proposals.exporting import export_to_file
from proposals.filters import EVERYTHING
from proposals.importing import read_proposals
from proposals.proposal_tiles import LAYER, proposal_tile
from proposals.submission import Submission
from proposals.submitting import submit, submit_many
from proposals.work import score_pending
from tests.database.vector_tile_reading import POINT, read_tile
from tests.unit.test_importing import DEFAULTS, LODZ_MAPPING, LODZ_TO_IASI_M
from tests.unit.test_reading_corpus import DISAGREEMENTS, judgement, verdict

#: Zooms at which all tiles over the proposals are read; real geometries are drawn from 13 on.
_ZOOMS = range(6, 15)

METHOD = """\
Nothing here is timed. What is read from the outside is compared with what the database holds, row by row."""


def check(count: int, say: Say) -> Section:
    """Every promise; `count` names the world whose export and tiles are read whole."""
    section = Section("5. Nothing lost", METHOD)
    if SHARED_DATA.is_dir():
        for words, act in (
            ("Reading the corpus of bad files", bad_files),
            ("Submitting the naughty strings", naughty_strings),
            ("Importing, scoring and exporting the proposals of Łódź", lodz),
        ):
            say(words)
            section.goals.append(act())
    else:
        section.skipped.append("bad files, naughty strings, proposals of Łódź: no shared data beside the project")
    say(f"Comparing the export of {count:,} proposals with the database")
    section.goals.append(export_equals_database(count))
    say(f"Counting the tiles of {count:,} proposals")
    section.goals += [tiles_add_up(count)]
    return section


# -- files of others -----------------------------------------------------------------------


def bad_files() -> Goal:
    """Every file of the corpus is read as its index judges, or the disagreement is listed with its reason."""
    folder = SHARED_DATA / "bad_input"
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        entries = [entry for entry in csv.DictReader(file) if not entry["file"].startswith("strings/")]
    verdicts: Counter[str] = Counter()
    surprises, broken = [], []
    for entry in entries:
        result = read_features(folder / entry["file"])
        found, expected = verdict(result), judgement(entry)
        verdicts[found] += 1
        if {"unreadable", "took_too_long", "too_much_memory"} & {issue.code for issue in result.issues}:
            broken.append(entry["file"])
        if found != DISAGREEMENTS.get(entry["file"], (expected, expected, ""))[1]:
            surprises.append(entry["file"])
    counts = ", ".join(f"{number} {word}" for word, number in sorted(verdicts.items()))
    found = (f"{len(entries)} files: {counts}; {len(DISAGREEMENTS)} listed disagreements with the index,"
             f" {len(surprises)} others; {len(broken)} failures of ours")  # fmt: skip
    return Goal("every file of the bad_input corpus is judged, none by accident", found, not surprises and not broken)


def naughty_strings() -> Goal:
    """Every string is stored and exported as it was typed, or refused in words."""
    strings = json.loads((SHARED_DATA / "bad_input" / "strings" / "blns.json").read_text("utf-8"))
    point = {"type": "Point", "coordinates": [27.6, 47.16]}
    actor = Actor(Role.VISITOR, session="proof")
    kept, refused, repaired = {}, 0, 0
    with worlds.copy_of(0):
        for number, string in enumerate(strings):
            try:
                outcome = submit(Submission(uuid4(), "observation", "other", f"Text {number}", string, point), actor)
            except InputError:
                refused += 1
                continue
            repaired += bool(outcome.repairs)
            kept[outcome.receipt] = (string, bool(outcome.repairs))
        exported = {feature["id"]: feature["properties"]["description"] for feature in _export()}
    changed = [r for r, (string, was_repaired) in kept.items()
               if not was_repaired and exported[r].split() != string.split()]  # fmt: skip
    found = (f"{len(strings)} strings: {len(kept)} stored and exported ({repaired} of them repaired, and so told),"
             f" {refused} refused in words, {len(changed)} changed in silence")  # fmt: skip
    return Goal("naughty strings: stored as typed, or told", found,
                not changed and exported.keys() == kept.keys() and len(kept) + refused == len(strings))  # fmt: skip


def lodz() -> Goal:
    """967 real proposals: import, score, export; every one with its words, place, cost and score."""
    folder = SHARED_DATA / "participatory"
    published = json.loads((folder / "lodz_budget_2026.geojson").read_text("utf-8"))["features"]
    defaults = {name: value for name, value in DEFAULTS.items() if name != "theme"}
    rows, issues = read_proposals(
        folder / "lodz_budget_2026.geojson", LODZ_MAPPING, defaults, offset_m=LODZ_TO_IASI_M
    )
    with worlds.copy_of(0):
        outcomes = submit_many([row.submission for row in rows], SYSTEM, [row.created_at for row in rows])
        score_pending()
        exported = {feature["id"]: feature for feature in _export()}
    lost = 0
    for feature, row, outcome in zip(published, rows, outcomes, strict=True):
        there = exported.get(outcome.receipt)
        lost += there is None or not _same_lodz(feature, row, there)
    found = (f"{len(published)} published, {len(rows)} read ({len(issues)} told repairs),"
             f" {len(exported)} exported with a score, {lost} lost or changed")  # fmt: skip
    return Goal("the 967 proposals of Łódź import, score and export with nothing lost", found,
                lost == 0 and len(exported) == len(published) == 967)  # fmt: skip


def _same_lodz(published: dict[str, Any], row: Any, exported: dict[str, Any]) -> bool:
    """Title and description whole, cost, score and place (to a centimetre) as given."""
    given, kept = published["properties"], exported["properties"]
    title = " ".join(given["title"].split())
    lon, lat = exported["geometry"]["coordinates"]
    return (
        (kept["title"] == title or kept["description"].startswith(title))
        and "".join(kept["description"].split()).endswith("".join(given["description"].split()))
        and kept["budget_lei"] == given["cost_pln"]
        and kept["score"] is not None
        and abs(lon - row.geometry.x) < 2e-7
        and abs(lat - row.geometry.y) < 2e-7
    )


# -- the export ----------------------------------------------------------------------------

_ROWS = text("""
    SELECT p.receipt, p.kind, p.theme, p.status, p.title, p.description, p.author_kind, p.channel, p.uat,
        p.on_behalf_of, p.budget_lei::float8 AS budget_lei, p.documentation_stage, p.demo, p.criteria_set, m.edition,
        m.stale, s.total AS score, s.coverage, s.recommendation, s.results,
        ST_AsText(ST_Transform(p.geom, 4326), 7) AS geometry
    FROM masterplan.proposal p LEFT JOIN masterplan.measurement m ON m.proposal_id = p.id
    LEFT JOIN masterplan.score s ON s.proposal_id = p.id AND s.criteria_set = p.criteria_set ORDER BY p.id
""")
_NOT_PROPERTIES = ("results", "geometry")
_OF_A_CRITERION = ("value", "unit", "score", "verdict", "weight")
#: Said of a criterion where it applies: what it was read on, and why.
_WHERE_IT_APPLIES = ("on", "why")


def export_equals_database(count: int) -> Goal:
    worlds.use(worlds.world_of(count))
    different = compared = 0
    with transaction(SYSTEM) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        rows = connection.execution_options(yield_per=1_000).execute(_ROWS)
        for row, feature in zip(rows.mappings(), _export(), strict=True):
            compared += 1
            different += not _same(row, feature)
    found = f"{compared:,} features compared with the rows of the database, {different} differ"
    return Goal(f"the export of {count:,} equals the database", found, different == 0 and compared == count)


def _same(row: Any, feature: dict[str, Any]) -> bool:
    from shapely import from_wkt
    from shapely.geometry import shape

    given = feature["properties"]
    properties = all(given[name] == row[name] for name in row if name not in _NOT_PROPERTIES)
    criteria = {
        key: {name: result.get(name) for name in _OF_A_CRITERION}
        | {name: result[name] for name in _WHERE_IT_APPLIES if result.get(name) is not None}
        for key, result in (row["results"] or {}).items()
    }
    # Rings may start and turn another way in the file: RFC 7946 wants them anticlockwise.
    place = shape(feature["geometry"]).normalize().equals_exact(from_wkt(row["geometry"]).normalize(), 2e-7)
    return properties and feature["id"] == row["receipt"] and given["criteria"] == criteria and place


def _export() -> Iterator[dict[str, Any]]:
    """The features of a whole export, written to a file and read again; the collection must be closed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.geojson"
        number = export_to_file(EVERYTHING, SYSTEM, str(path))
        with path.open(encoding="utf-8") as file:
            head = file.readline()
            assert head.endswith('"features":[\n'), "the head of the collection"
            last = ""
            for line in file:
                last = line
                if line.startswith("{"):
                    number -= 1
                    yield json.loads(line.rstrip(",\n"))
            assert last == "]}\n" and number == 0, "the end of the collection"


# -- the tiles -----------------------------------------------------------------------------

_PUBLIC = text("""
    SELECT count(*) AS number, min(ST_X(anchor_3857)) AS west, max(ST_X(anchor_3857)) AS east,
        min(ST_Y(anchor_3857)) AS south, max(ST_Y(anchor_3857)) AS north
    FROM masterplan.proposal WHERE public
""")
_HALF_WORLD_M = 20037508.342789244


def tiles_add_up(count: int) -> Goal:
    """At each zoom, the numbers on all tiles add up to the public proposals of the database."""
    worlds.use(worlds.world_of(count))
    sums, tiles = {}, 0
    with transaction(SYSTEM) as connection:
        public = connection.execute(_PUBLIC).one()
    with transaction(VISITOR) as connection:
        for zoom in _ZOOMS:
            sums[zoom] = 0
            for address in _addresses(zoom, public):
                tiles += 1
                features = read_tile(proposal_tile(connection, address, EVERYTHING)).get(LAYER, [])
                sums[zoom] += sum(f.properties.get("count", 0) for f in features if f.kind == POINT)
    found = f"{public.number:,} public; {tiles} tiles at zooms {min(_ZOOMS)} to {max(_ZOOMS)}: " + (
        "each zoom adds up" if set(sums.values()) == {public.number} else str(sums)
    )
    return Goal(f"the tiles of {count:,} add up at every zoom", found, set(sums.values()) == {public.number})


def _addresses(zoom: int, public: Any) -> Iterator[TileAddress]:
    side = 2 * _HALF_WORLD_M / 2**zoom
    for x in range(int((public.west + _HALF_WORLD_M) / side), int((public.east + _HALF_WORLD_M) / side) + 1):
        for y in range(int((_HALF_WORLD_M - public.north) / side), int((_HALF_WORLD_M - public.south) / side) + 1):
            yield TileAddress(zoom, x, y)
