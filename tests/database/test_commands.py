"""The command `masterplan`, as a person runs it, against real PostGIS."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
import typer
from sqlalchemy import text

import cli
from masterplan import jobs
from masterplan.actors import SYSTEM, VISITOR
from masterplan.database import owner_transaction, transaction
from proposals.submitting import Submission, submit
from tests.command_line import ROOT, run, run_process

GUIDE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")


def commands(group=None, path: tuple[str, ...] = ()) -> list[tuple[str, typer.core.TyperCommand]]:
    """Every command with its words."""
    group = group or typer.main.get_command(cli.app())
    found = []
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found += commands(command, (*path, name))
        else:
            found.append((" ".join((*path, name)), command))
    return found


@pytest.fixture(autouse=True, scope="module")
def _database(database_name: str) -> None:
    """Every command of this module speaks to one clone."""


# -- help and documentation ----------------------------------------------------------------


def test_the_contract_has_these_commands():
    assert {name for name, _ in commands()} == {
        "db up", "db down", "db status", "migrate", "audit verify", "audit list", "decisions answer-days",
        "layers list", "layers load",
        "layers derive stormwater", "layers derive relief", "layers derive heat", "layers derive wind",
        "layers derive green-access", "criteria list",
        "criteria check", "criteria load", "criteria publish", "criteria retire", "criteria replay",
        "proposals import", "proposals score", "proposals export", "proposals rank", "proposals explain",
        "proposals judge", "proposals relations",
        "editions list", "editions calendar", "editions diff", "editions publish", "editions export",
        "demo clear", "demo seed", "worker", "serve",
        "limits list", "limits set",
        "users grant", "users revoke", "users disable", "users enable", "users list",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_and_option_has_help(name: str, command):
    assert command.help and command.help.strip().endswith((".", ")"))
    for parameter in command.params:
        assert parameter.help, f"{name}: {parameter.name}"


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_command_and_option_is_documented(name: str, command):
    sections = re.split(r"^###? ", GUIDE, flags=re.MULTILINE)
    section = next((part for part in sections if re.match(rf"`masterplan {name}[ `]", part)), None)
    assert section, f"docs/command-line.md says nothing of `masterplan {name}`"
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    missing = {option for option in options - {"--help"} if f"`{option}" not in section}
    assert not missing, f"`masterplan {name}`: {missing} undocumented"


def test_no_documented_command_is_gone():
    documented = set(re.findall(r"^### `masterplan ([a-z -]+[a-z])", GUIDE, flags=re.MULTILINE))
    assert documented == {name for name, _ in commands()}


def test_help_is_said_on_the_spot():
    said = run_process("proposals", "export", "--help").stdout
    for option in ("--gate", "--criterion", "--bbox", "--since"):
        assert option in said


# -- errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("unheard",), ("layers", "load", "--layer", "uat"), ("layers", "load", "/no/such/file", "--layer", "uat"),
        ("proposals", "export"), ("demo", "seed", "many"), ("demo", "seed", "0"), ("criteria", "check"),
    ],
)  # fmt: skip
def test_wrong_usage_is_status_2(words: tuple[str, ...]):
    assert "Error:" in run(*words, expect=2).stderr


def test_an_error_is_one_line_and_status_1(tmp_path: Path):
    file = tmp_path / "a.geojson"
    file.write_text('{"type":"FeatureCollection","features":[]}')
    said = run_process("layers", "load", str(file), "--layer", "unheard", expect=1).stderr
    assert said.startswith("error: There is no layer “unheard”") and said.count("\n") == 1


def test_a_database_that_is_not_there_is_said_with_the_remedy():
    said = run_process("layers", "list", expect=1, MASTERPLAN_DATABASE_NAME="no_such_database").stderr
    assert said.startswith("error: The database cannot be reached") and "masterplan db up" in said


def test_a_database_that_is_empty_is_said_with_the_remedy():
    said = run_process("layers", "list", expect=1, MASTERPLAN_DATABASE_NAME="postgres").stderr
    assert said.startswith("error: ") and said.count("\n") == 1


def test_a_wrong_setting_is_named():
    assert "PORT" in run_process("db", "status", expect=1, PORT="eighty").stderr


def test_every_fault_of_a_filter_is_a_line_with_its_option():
    said = run("proposals", "export", "--bbox", "x", "--gate", "zone", "--kind", "a", "-o", "-", expect=1)
    assert sorted(line.split(":")[1].strip() for line in said.stderr.splitlines()) == ["bbox", "gate", "kind"]
    assert said.stdout == ""


# -- database, layers, criteria ------------------------------------------------------------


def test_status_says_that_all_is_well():
    (facts,) = json.loads(run_process("db", "status", "--json").stdout)
    assert facts["answers"] and facts["up_to_date"] and facts["missing_locks"] == []
    assert "postgis" in run("db", "status").stdout


def test_status_names_a_lock_that_is_missing(fresh_database: str):
    from sqlalchemy import create_engine

    from masterplan import database

    engine = create_engine(database.admin_url())
    with engine.begin() as connection:
        connection.execute(text("GRANT EXECUTE ON FUNCTION pg_sleep(double precision) TO PUBLIC"))
    engine.dispose()
    said = run("db", "status").stderr
    assert "warning: the /ogc login may execute pg_sleep(double precision)" in said and "REVOKE EXECUTE" in said


def test_loading_the_shipped_layers_again_changes_nothing():
    with owner_transaction() as connection:
        connection.execute(text("DELETE FROM masterplan.job"))
    before = json.loads(run("layers", "list", "--json").stdout)
    said = run("layers", "load").stdout
    assert said.count("version 1, unchanged") == len(before) >= 20
    assert json.loads(run("layers", "list", "--json").stdout) == before
    with transaction(SYSTEM) as connection:
        assert connection.scalar(text("SELECT count(*) FROM masterplan.job")) == 0


def test_a_file_becomes_a_new_version_of_its_layer(tmp_path: Path):
    file = tmp_path / "stops.csv"
    file.write_text("cod,denumire,fel,lon,lat\nS1,Gara,rail,27.570,47.166\nS2,Unirii,tram,27.583,47.165\n")
    said = run_process(
        "layers", "load", str(file), "--layer", "transport_stops", "--id-column", "cod", "--map", "mode=fel",
        "--source", "CTP Iași", "--source-date", "2026-11-01", "--official", "--accuracy-m", "5",
    ).stdout  # fmt: skip
    assert said.startswith("transport_stops: version 2, opened 2, closed ")
    (layer,) = (row for row in json.loads(run("layers", "list", "--json").stdout) if row["id"] == "transport_stops")
    assert (layer["version"], layer["features"], layer["indicative"], layer["accuracy_m"]) == (2, 2, False, 5.0)
    assert (layer["source"], layer["source_date"]) == ("CTP Iași", "2026-11-01")


def points(*of_each: tuple[dict, dict]) -> str:
    """A FeatureCollection of these geometries and properties, with ids F1, F2, …"""
    return json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "id": f"F{n}", "geometry": geometry, "properties": properties}
        for n, (geometry, properties) in enumerate(of_each, start=1)
    ]})  # fmt: skip


def test_a_fault_that_many_features_share_is_told_once_with_their_rows(tmp_path: Path):
    line = {"type": "LineString", "coordinates": [[27.5, 47.1], [27.6, 47.2]]}
    spot = {"type": "Point", "coordinates": [27.58, 47.16]}
    far = {"type": "Point", "coordinates": [2758, 47.16]}
    file = tmp_path / "wrong.geojson"
    shapes = [(spot, {})] * 2 + [(line, {})] + [(spot, {})] * 26 + [(spot, {"status": "new"})] + [(far, {})] * 2
    file.write_text(points(*shapes), encoding="utf-8")
    before = run("layers", "list", "--json").stdout
    said = run("layers", "load", str(file), "--layer", "rings", expect=1).stderr.splitlines()
    assert said == [
        "error: geometry: row 31: The position 2758.0, 47.16 is not longitude and latitude in degrees."
        " (1 more like it: 32)",
        "error: geometry: Feature 1: the layer holds LineString, this is Point."
        " (28 more like it: 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, …)",
        "error: status: Feature 30: unknown status “new”; use one of: existing, proposed, prospective.",
    ]
    assert run("layers", "list", "--json").stdout == before


def test_criteria_are_checked_with_lines(tmp_path: Path):
    shipped = ROOT / "data" / "criteria" / "v0.toml"
    assert "nothing wrong" in run_process("criteria", "check", str(shipped)).stdout
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(shipped.read_text().replace("weight = 12", "weight = -1", 2), encoding="utf-8")
    lines = run("criteria", "check", str(wrong), expect=1).stderr.splitlines()
    assert len(lines) == 2 and all(re.match(r".*wrong\.toml:\d+: A weight must be above zero", line) for line in lines)


def test_a_set_in_use_never_changes_but_a_draft_does(tmp_path: Path):
    shipped = (ROOT / "data" / "criteria" / "v0.toml").read_text(encoding="utf-8")
    file = tmp_path / "changed.toml"
    file.write_text(shipped.replace("recommended = 60", "recommended = 61"), encoding="utf-8")
    said = run("criteria", "load", str(file), expect=1).stderr
    assert "already in use (consultation)" in said and "new version" in said
    draft = shipped.replace('version = "v0"', 'version = "v9"').replace('status = "consultation"', 'status = "draft"')
    file.write_text(draft, encoding="utf-8")
    assert "v9 (draft): loaded" in run("criteria", "load", str(file)).stdout
    assert "v9 (draft): unchanged" in run("criteria", "load", str(file)).stdout
    file.write_text(draft.replace("recommended = 60", "recommended = 61"), encoding="utf-8")
    assert "v9 (draft): loaded" in run("criteria", "load", str(file)).stdout
    stored = {row["version"]: row for row in json.loads(run("criteria", "list", "--json").stdout)}
    assert stored["v0"]["in_force"] and not stored["v9"]["in_force"]


def test_an_upgrade_with_other_shipped_criteria_warns_and_goes_on(tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    for each in (ROOT / "data").iterdir():
        if each.name != "criteria":
            (data / each.name).symlink_to(each)
    (data / "criteria").mkdir()
    shipped = (ROOT / "data" / "criteria" / "v0.toml").read_text(encoding="utf-8")
    (data / "criteria" / "v0.toml").write_text(shipped + "\n# other\n", encoding="utf-8")
    said = run_process("criteria", "load", MASTERPLAN_DATA_DIR=str(data))
    assert said.stderr.startswith("warning: the shipped criteria set v0 differs")


# -- import, score, export -----------------------------------------------------------------


def observation() -> Submission:
    place = {"type": "Point", "coordinates": [27.583, 47.165]}
    return Submission(uuid4(), "observation", "other", "Adevărată", "", place)


CSV = """Titlu,Text,Categorie,lon,lat
Drum înfundat,Coloana ajunge la intersecție.,Drumuri,27.583,47.165
Fără loc,,Drumuri,2.35,48.85
ab,,Parcuri,27.59,47.16
Parc nou,Cu umbră.,Parcuri,27.55,47.17
"""
MAPPING = "title=Titlu,description=Text,theme=Categorie,theme:Drumuri=mobility,theme:Parcuri=green_blue"


def test_a_file_is_imported_row_by_row_once_and_exported_again(tmp_path: Path):
    file = tmp_path / "rows.csv"
    file.write_text(CSV, encoding="utf-8")
    tried = run("proposals", "import", str(file), "--map", MAPPING, "--dry-run", expect=1)
    assert "2 accepted, 0 repaired, 0 already there, 2 refused, nothing stored" in tried.stderr
    done = run(
        "proposals", "import", str(file), "--map", MAPPING, "--channel", "meeting", "--source-event", "Iași",
        expect=1,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "row 1: accepted", "row 2: refused", "row 3: refused", "row 4: accepted"
    ]  # fmt: skip
    assert "outside the area" in lines[1] and "title of at least 3" in lines[2]
    again = run("proposals", "import", str(file), "--map", MAPPING, "--channel", "meeting", "--source-event", "x",
                "--json", expect=1)  # fmt: skip
    rows = json.loads(again.stdout)
    assert [row["outcome"] for row in rows] == ["already there", "refused", "refused", "already there"]
    assert rows[0]["receipt"] in lines[0]
    assert [row["differs"] for row in rows] == [["source_event"], [], [], ["source_event"]]
    assert "2 of the rows already there read otherwise" in again.stderr and "planner's page" in again.stderr
    out = tmp_path / "out.geojson"
    wanted = ("--theme", "mobility", "--text", "inFUNDAT")
    assert "1 exported" in run("proposals", "export", *wanted, "-o", str(out)).stderr
    (feature,) = json.loads(out.read_text(encoding="utf-8"))["features"]
    assert feature["id"] == rows[0]["receipt"]
    assert feature["properties"]["channel"] == "meeting" and feature["properties"]["score"] is not None
    piped = run_process("proposals", "export", *wanted, "-o", "-").stdout
    assert json.loads(piped)["features"] == [feature]


def test_a_row_that_reads_otherwise_the_second_time_is_named_and_left(tmp_path: Path):
    file = tmp_path / "rows.csv"
    file.write_text(
        "A,B,C,D,E,lon,lat\nDrum rupt,Parc mare,water,a@example.org,2026-10-12,27.583,47.165\n"
        "La fel,La fel,other,b@example.org,2026-10-12,27.584,47.166\n",
        encoding="utf-8",
    )
    first = run("proposals", "import", str(file), "--map", "title=A,theme=C").stdout.splitlines()
    same = run("proposals", "import", str(file), "--map", "theme=C,title=A")
    assert same.stdout.count("already there") == 2
    assert "differs" not in same.stdout and "read otherwise" not in same.stderr
    other = run(
        "proposals", "import", str(file), "--map", "title=B,theme=C,email=D,created=E", "--author-kind", "company",
        "--offset-m", "0,40", expect=1,
    )  # fmt: skip
    said = [line.split("; ") for line in other.stdout.splitlines()]
    assert [(line[0], line[1]) for line in said] == [
        (f"row {n}: already there", line.split("; ")[1]) for n, line in enumerate(first, start=1)
    ]  # fmt: skip
    # The columns A, B and E are attributes where no field takes them.
    assert [line[2] for line in said] == [
        "differs in author_kind, title, attributes, created, place, email",
        "differs in author_kind, attributes, created, place, email",
    ]
    assert {line[3] for line in said} == {"nothing was changed"}
    with transaction(SYSTEM) as connection:
        kept = connection.execute(
            text("SELECT title, author_kind FROM masterplan.proposal WHERE receipt = :r"), {"r": said[0][1]}
        ).one()
    assert tuple(kept) == ("Drum rupt", "citizen")


def test_scoring_finds_what_waits():
    submit(observation(), VISITOR)
    assert "0 measured and scored" in run("proposals", "score").stdout
    with transaction(SYSTEM) as connection:
        connection.execute(text("UPDATE masterplan.measurement SET stale = true"))
        count = connection.scalar(text("SELECT count(*) FROM masterplan.proposal"))
    done = run_process("proposals", "score")
    assert done.stdout == f"{count} measured and scored\n" and "measuring and scoring: 100 %" in done.stderr
    assert f"{count} measured and scored" in run("proposals", "score", "--all").stdout


def test_a_filter_on_what_is_not_there_says_what_there_is_in_a_line_each():
    wrong = ("--criterion", "unheard>=60", "--criterion", "zone>=60", "--gate", "heat_cooling=pass", "--uat", "999",
             "--theme", "war", "--bbox", "27.7,47.1,27.5,47.2")  # fmt: skip
    said = run("proposals", "export", *wrong, "-o", "-", expect=1)
    lines = said.stderr.splitlines()
    assert sorted(line.split(":")[1].strip() for line in lines) == [
        "bbox", "criterion", "criterion", "gate", "theme", "uat"
    ]  # fmt: skip
    whole = said.stderr
    for part in ("“unheard”", "zone=pass", "heat_cooling>=60", "95060 Iași", "mobility", "27.7"):
        assert part in whole
    assert said.stdout == "" and "[" not in whole


def test_demonstration_rows_are_refused_beside_real_ones():
    submit(observation(), VISITOR)
    assert "Real submissions" in run("demo", "seed", "5", expect=1).stderr


def test_demonstration_rows_are_made(fresh_database: str):
    done = run_process("demo", "seed", "12", "--seed", "4")
    assert done.stdout == "12 demonstration rows made and scored (seed 4)\n"
    assert "--replace" in run("demo", "seed", "12", expect=1).stderr
    run("demo", "seed", "12", "--seed", "4", "--replace")


# -- worker --------------------------------------------------------------------------------


def test_the_worker_works_and_stops_when_told():
    with transaction(SYSTEM) as connection:
        jobs.enqueue(connection, "score_pending")
    worker = subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), "worker"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        assert jobs.wait_until_done(60)
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=60)
    finally:
        worker.kill()
    assert worker.returncode == 0
    assert "worker: stopped" in said and "Traceback" not in said


def test_the_worker_can_stop_once_idle():
    with transaction(SYSTEM) as connection:
        jobs.enqueue(connection, "score_pending")
    run_process("worker", "--until-idle")
    with transaction(SYSTEM) as connection:
        left = text("SELECT count(*) FROM masterplan.job WHERE state <> 'done' AND run_after <= now()")
        assert connection.scalar(left) == 0
