"""The commands of criteria, proposals, demonstration data and the worker."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from layers.reading import REFUSED, REPAIRED, Issue
from masterplan import console, jobs
from masterplan.actors import SYSTEM
from masterplan.commands import AsJson
from masterplan.database import transaction
from proposals import criteria_store, seeding, work
from proposals.criteria import THEMES, CriteriaSet, definition, from_definition
from proposals.exporting import export_to_file
from proposals.filters import AUTHOR_KINDS, from_words
from proposals.importing import FIELDS, ImportRow, parse_mapping, read_proposals
from proposals.selecting import known_words
from proposals.submitting import RowOutcome, submit_many

criteria = typer.Typer(
    help="The criteria sets: list, check and load them.", no_args_is_help=True, rich_markup_mode=None
)
proposals = typer.Typer(
    help="What people bring: import, score, export.", no_args_is_help=True, rich_markup_mode=None
)
demo = typer.Typer(help="Demonstration data: make it, clear it.", no_args_is_help=True, rich_markup_mode=None)


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


# -- criteria ------------------------------------------------------------------------------


@criteria.command("list")
def list_criteria(as_json: AsJson = False) -> None:
    """List the criteria sets, and which one is in force.

    With the number of proposals that each judges.
    """
    with transaction(SYSTEM) as connection:
        stored = criteria_store.stored_sets(connection)
    rows = [
        {"version": s.version, "status": s.status, "in_force": s.in_force, "proposals": s.proposals,
         "title": s.title["en"], "loaded_at": s.loaded_at}
        for s in stored
    ]  # fmt: skip
    console.table(rows, as_json)


@criteria.command()
def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A criteria set in TOML.", exists=True, dir_okay=False)
    ],
) -> None:
    """Check a criteria file: every fault with its line.

    Stores nothing. Ends with status 1 when something is wrong.
    """
    faults = criteria_store.check_file(file)
    for fault in faults:
        console.remark(f"{file}:{fault.line}: {console.one_line(fault.error.message('en'))}")
    if faults:
        raise typer.Exit(1)
    console.say(_described(from_definition(definition(file.read_text(encoding="utf-8")))))


def _described(found: CriteriaSet) -> str:
    return (
        f"{found.version} ({found.status}): {len(found.gates)} gates, {len(found.scored)} scored,"
        f" {len(found.judged)} judged; nothing wrong"
    )


@criteria.command("load")
def load_criteria(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A criteria set in TOML. Without it, every shipped set is loaded.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Store a criteria set, or every shipped one.

    Safe to repeat. A draft is replaced. A set in consultation or published never changes: give
    changed criteria a new version.
    """
    if file is None:
        criteria_store.load_shipped_criteria(_tell_load)
    else:
        _tell_load(criteria_store.load_file(file))


def _tell_load(loaded: criteria_store.CriteriaLoad) -> None:
    if loaded.outcome == criteria_store.REFUSED:
        console.remark(
            f"warning: the shipped criteria set {loaded.version} differs from the one in use"
            f" ({loaded.status}), which stays; changed criteria need a new version"
        )
    else:
        console.say(f"{loaded.version} ({loaded.status}): {loaded.outcome}")


# -- proposals: import ---------------------------------------------------------------------


@proposals.command("import")
def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="GeoJSON, CSV (lon, lat) or GeoPackage.", exists=True, dir_okay=False
        ),
    ],
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN,…",
            help="Which column holds which field, as title=Name; FIELD:WORD=VALUE translates a word"
            " of the file, as theme:Roads=mobility. Repeatable. A column named like a field needs none;"
            f" fields are {', '.join(FIELDS)}, and lon, lat, id.",
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option(metavar="WORD", help="observation or proposal, where the file does not say.")
    ] = "observation",
    theme: Annotated[
        str | None,
        typer.Option(metavar="WORD", help=f"The theme, where the file does not say: {_either(THEMES)}."),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="online, email, letter or meeting, where the file does not say."),
    ] = None,
    source_event: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Which meeting, letter or e-mail they came from, with its date; needed unless they came online.",
        ),
    ] = None,
    author_kind: Annotated[
        str | None,
        typer.Option(metavar="WORD", help=f"Who wrote, where the file does not say: {_either(AUTHOR_KINDS)}."),
    ] = None,
    on_behalf_of: Annotated[
        str | None,
        typer.Option(
            metavar="SIRUTA",
            help="The UAT that proposals are made on behalf of, by its SIRUTA code, where the file does not say.",
        ),
    ] = None,
    crs: Annotated[
        str | None,
        typer.Option(metavar="EPSG:CODE", help="The coordinate system, where the file does not say."),
    ] = None,
    offset_m: Annotated[
        str | None,
        typer.Option(
            metavar="EAST,NORTH", help="Move every place by so many metres (to try foreign data here)."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be accepted, repaired and refused; store nothing."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import observations or proposals from a file.

    Says row by row what was accepted, repaired and refused. The same row of the same file is stored
    once, however often it is imported; imported again with another mapping, it stays as it is, and
    the fields that differ are named. What was accepted is measured and scored. Ends with status 1
    when a row was refused or differs.
    """
    defaults = {
        "kind": kind, "theme": theme, "channel": channel, "source_event": source_event,
        "author_kind": author_kind, "on_behalf_of": on_behalf_of,
    }  # fmt: skip
    rows, issues = read_proposals(
        file,
        _merged_mapping(mapping or []),
        {name: value for name, value in defaults.items() if value is not None},
        offset_m=_offset(offset_m),
        crs=crs,
    )
    outcomes = (
        [] if dry_run else submit_many([r.submission for r in rows], SYSTEM, [r.created_at for r in rows])
    )
    verdicts = _verdicts(rows, issues, outcomes)
    _show_verdicts(verdicts, as_json)
    counts = {word: sum(v["outcome"] == word for v in verdicts) for word in _OUTCOMES}
    console.remark(
        ", ".join(f"{count} {word}" for word, count in counts.items()) + (", nothing stored" * dry_run)
    )
    differing = sum(bool(verdict["differs"]) for verdict in verdicts)
    if differing:
        console.remark(_FIRST_IMPORT_STAYS.format(count=differing))
    if any(outcome.created for outcome in outcomes):
        with console.progress("measuring and scoring") as report:
            work.score_pending(report)
    if counts["refused"] or differing:
        raise typer.Exit(1)


_FIRST_IMPORT_STAYS = (
    "{count} of the rows already there read otherwise this time, since the mapping or another option differs:"
    " what was stored first stays. To have them as they read now, hide them on the planner's page and import"
    " these rows from a file of their own."
)
_OUTCOMES = ("accepted", "repaired", "already there", "refused")


def _merged_mapping(given: list[str]) -> dict[str, str]:
    return {field: column for text in given for field, column in parse_mapping(text).items()}


def _offset(typed: str | None) -> tuple[float, float] | None:
    if typed is None:
        return None
    try:
        east, north = (float(part) for part in typed.split(","))
    except ValueError:
        sentence = f"“{typed}” is not two numbers, EAST,NORTH in metres."
        raise typer.BadParameter(sentence, param_hint="--offset-m") from None
    return east, north


def _verdicts(rows: list[ImportRow], issues: list[Issue], outcomes: list[RowOutcome]) -> list[dict[str, Any]]:
    """What became of each row of the file, in its order; then what concerns the file as a whole."""
    found: dict[int | None, dict[str, Any]] = {row.row: _verdict(row.row, "accepted") for row in rows}
    for issue in issues:
        verdict = found.setdefault(issue.row, _verdict(issue.row, "refused" if issue.row else "remark"))
        if issue.row is None and issue.outcome == REFUSED:
            verdict["outcome"] = "refused"
        if issue.outcome == REPAIRED and verdict["outcome"] == "accepted":
            verdict["outcome"] = "repaired"
        verdict["remarks"].append(_remark(issue.field, issue.message("en")))
    for row, outcome in zip(rows, outcomes, strict=False):
        verdict = found[row.row]
        verdict["receipt"] = outcome.receipt
        if outcome.faults:
            verdict["outcome"] = "refused"
            verdict["remarks"] += [_remark(name, fault.message("en")) for name, fault in outcome.faults]
        elif not outcome.created:
            verdict["outcome"] = "already there"
            verdict["differs"] = list(outcome.differs)
            if outcome.differs:
                verdict["remarks"].append(f"differs in {', '.join(outcome.differs)}; nothing was changed")
    return sorted(found.values(), key=lambda verdict: (verdict["row"] is None, verdict["row"] or 0))


def _verdict(row: int | None, outcome: str) -> dict[str, Any]:
    return {"row": row, "outcome": outcome, "receipt": None, "differs": [], "remarks": []}


def _remark(field: str | None, sentence: str) -> str:
    return f"{field}: {sentence}" if field else sentence


def _show_verdicts(verdicts: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        console.table(verdicts, as_json=True)
        return
    for verdict in verdicts:
        where = "file" if verdict["row"] is None else f"row {verdict['row']}"
        words = [verdict["outcome"], verdict["receipt"] or "", *map(console.one_line, verdict["remarks"])]
        console.say(f"{where}: " + "; ".join(filter(None, words)))


# -- proposals: score, export --------------------------------------------------------------


@proposals.command()
def score(
    everything: Annotated[
        bool, typer.Option("--all", help="Everything again, also what is up to date.")
    ] = False,
) -> None:
    """Measure and score what has no result yet, or a stale one.

    Stale is what was measured on an older version of a layer than the current one. The worker does
    the same by itself.
    """
    with console.progress("measuring and scoring") as report:
        done = work.score_everything(report) if everything else work.score_pending(report)
    console.say(f"{done} measured and scored")


@proposals.command()
def export(
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="The file to write; - for the standard output."),
    ],
    kind: Annotated[str | None, typer.Option(metavar="WORD", help="observation or proposal.")] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="submitted, published, hidden or withdrawn; repeatable: any of them."),
    ] = None,
    theme: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help=f"The theme: {_either(THEMES)}; repeatable: any of them."),
    ] = None,
    uat: Annotated[
        list[str] | None,
        typer.Option(metavar="SIRUTA", help="The UAT it lies in, by its SIRUTA code; repeatable: any of them."),
    ] = None,
    author_kind: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help=f"Who wrote: {_either(AUTHOR_KINDS)}; repeatable: any of them."),
    ] = None,
    receipt: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Its tracking code; repeatable: any of them.")
    ] = None,
    bbox: Annotated[
        str | None, typer.Option(metavar="W,S,E,N", help="Touches this box, in degrees (EPSG:4326).")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS", help="Every word is in title, description or code; accents and case aside."
        ),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(metavar="SCORE", help="At least this total, 0 to 100.")
    ] = None,
    max_score: Annotated[
        float | None, typer.Option(metavar="SCORE", help="At most this total, 0 to 100.")
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VERDICT",
            help="The gate answered pass, fail, person, note or not_assessed, as zone=pass; keys are those of the"
            " criteria file. Repeatable: all of them.",
        ),
    ] = None,
    criterion: Annotated[
        list[str] | None,
        typer.Option(
            metavar="'KEY>=60'",
            help="The score, 0 to 100, on a criterion: >=, <=, >, < or =, in quotation marks. Repeatable: all of them.",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Came on this day or later.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Came on this day or earlier.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also every result in one sentence, in both languages; much slower.")
    ] = False,
) -> None:
    """Write observations and proposals as GeoJSON (RFC 7946).

    Those that the filters mean, with every criterion's value, unit, score and verdict, the set's
    version and the edition. All filters must hold together. Without filters, everything is written,
    hidden ones too. Never an e-mail.
    """
    with transaction(SYSTEM) as connection:
        known = known_words(connection)
    wanted = from_words(
        kind=kind, status=status or (), theme=theme or (), uat=uat or (), author_kind=author_kind or (),
        receipt=receipt or (), bbox=bbox, text=text, min_score=min_score, max_score=max_score,
        gate=gate or (), criterion=criterion or (), since=since, until=until, known=known,
    )  # fmt: skip
    count = export_to_file(wanted, SYSTEM, output, explain)
    console.remark(f"{count} exported")


# -- demonstration, worker -----------------------------------------------------------------


@demo.command("seed")
def seed_rows(
    count: Annotated[int, typer.Argument(metavar="N", help="How many.", min=1, max=seeding.MOST_ROWS)],
    seed: Annotated[int, typer.Option(metavar="S", help="The same seed gives the same rows.", min=0)] = 1,
    replace: Annotated[
        bool, typer.Option("--replace", help="First delete those that are there.")
    ] = False,
) -> None:
    """Make N made-up observations and proposals over the zone.

    Random but plausible, measured and scored, and marked as demonstration. Refused once real
    submissions exist.
    """
    with console.progress("making rows") as report:
        seeding.make_rows(count, seed, report, replace)
    with console.progress("measuring and scoring") as report:
        work.score_pending(report)
    console.say(f"{count} demonstration rows made and scored (seed {seed})")


@demo.command("clear")
def clear_rows() -> None:
    """Delete all demonstration data; what people submitted stays."""
    console.say(f"{seeding.clear()} demonstration rows deleted")


def worker(
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Stop once no job waits, instead of waiting for the next.")
    ] = False,
) -> None:
    """Do the waiting jobs, and those that come, until stopped.

    Such as scoring again after a layer changed. `make run` starts one. SIGTERM or Ctrl-C stops it after
    the chunk at hand, and an unfinished job goes back to the queue. Several workers never do the same
    job.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    console.remark("worker: started")
    if until_idle:
        while not stop.is_set() and jobs.run_one(work.HANDLERS, stop):
            pass
    else:
        jobs.work(work.HANDLERS, stop)
    console.remark("worker: stopped")
