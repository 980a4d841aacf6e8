"""The commands that judge with criteria: replay a draft, publish and retire sets, rank, and explain."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from sqlalchemy import select

from masterplan import console
from masterplan.actors import SYSTEM
from masterplan.commands import AsJson
from masterplan.database import transaction
from masterplan.errors import InputError
from masterplan.language import LANGUAGES
from masterplan.tables import proposal
from proposals import criteria_store, ranking, replay_data, replaying
from proposals.commands import criteria, export, proposals
from proposals.comparing import compare
from proposals.criteria import CriteriaSet, definition, from_definition
from proposals.explained import Explained, explained, explained_before, teller
from proposals.filters import ProposalFilter, from_words
from proposals.judging import GIVEN_VERDICTS, TAKE_BACK, give
from proposals.rank_table import RankTable, rank_table
from proposals.relations import relations_of
from proposals.selecting import SCORED, known_words, where

#: So many flips of each kind are listed; --json gives all.
_LISTED = 20
Version = Annotated[str, typer.Argument(metavar="VERSION", help="The version of a stored set, as v1.")]


# -- the life of a set ---------------------------------------------------------------------


@criteria.command("publish")
def publish_set(
    version: Version,
    for_consultation: Annotated[
        bool, typer.Option("--for-consultation", help="Send a draft out for consultation, the step before.")
    ] = False,
) -> None:
    """Publish a criteria set: it judges what is submitted from now on.

    A set goes from draft to consultation, is then published and at last retired, never back. From
    consultation on it never changes. What was submitted before keeps the set it came under.
    """
    (criteria_store.consult_on if for_consultation else criteria_store.publish)(version)
    console.say(f"{version}: {'for consultation' if for_consultation else 'published'}")


@criteria.command("retire")
def retire_set(version: Version) -> None:
    """Retire a criteria set: it judges nothing new.

    What it judged keeps its results. Refused when no other set would be in force.
    """
    criteria_store.retire(version)
    console.say(f"{version}: retired")


# -- replay --------------------------------------------------------------------------------


@criteria.command()
def replay(
    draft: Annotated[
        Path, typer.Argument(metavar="DRAFT.toml", help="A criteria set in TOML.", exists=True, dir_okay=False)
    ],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION", help="Compare with this stored set; without it, with the set that judges each."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Apply a draft to everything measured, without measuring again.

    Says how many scores move, and every gate, recommendation and rank (within its theme) that flips, by
    tracking code. Stores nothing. Measures that the draft asks for and that were never taken are named;
    what needs them counts as not assessed.
    """
    changed = _read(draft)
    with transaction(SYSTEM) as connection:
        loaded = replay_data.load(connection, [changed])
        stored = criteria_store.stored_set(connection, against) if against else None
    everything = loaded.everything
    before = (
        replaying.standing_under(everything, stored) if stored else replaying.standing(everything, loaded.sets)
    )
    told = replaying.flips(everything, before, replaying.standing_under(everything, changed))
    missing = replaying.not_measured(everything, changed)
    if as_json:
        _print_json(_replay_facts(changed, against, loaded, told, missing))
    else:
        _say_replay(changed, loaded, told)
    for measure in missing:
        console.remark(
            f"warning: {measure.measure}, for {', '.join(measure.criteria)}, is not measured of"
            f" {measure.proposals} submissions: not assessed there. To measure it: masterplan criteria load"
            f" {draft}; masterplan proposals score --all"
        )
    for count, what in ((loaded.unmeasured, "not measured yet, and left out"), (loaded.stale, "stale")):
        if count:
            console.remark(f"warning: {count} submissions are {what}; see masterplan proposals score")


def _read(file: Path) -> CriteriaSet:
    faults = criteria_store.check_file(file)
    if faults:
        raise InputError([(f"{file}:{fault.line}", fault.error) for fault in faults])
    return from_definition(definition(file.read_text(encoding="utf-8")))


def _replay_facts(
    changed: CriteriaSet,
    against: str | None,
    loaded: replay_data.Loaded,
    told: replaying.Flips,
    missing: list[replaying.NotMeasured],
) -> dict[str, Any]:
    receipts = told.everything.receipts[told.moved].tolist()
    before, after = (
        [None if total != total else total for total in standing.total[told.moved].tolist()]
        for standing in (told.before, told.after)
    )
    return {
        "draft": changed.version, "against": against, "measured": len(told.everything),
        "unmeasured": loaded.unmeasured, "stale": loaded.stale, "scores_moved": len(told.moved),
        "scores": [{"receipt": r, "before": b, "after": a} for r, b, a in zip(receipts, before, after, strict=True)],
        "gates": [vars(flip) for flip in told.gate_flips()],
        "recommendations": [vars(flip) for flip in told.recommendation_flips()],
        "ranks": [vars(flip) for flip in told.rank_flips()],
        "not_measured": [vars(measure) for measure in missing],
    }  # fmt: skip


def _say_replay(changed: CriteriaSet, loaded: replay_data.Loaded, told: replaying.Flips) -> None:
    shift = told.shift[~np.isnan(told.shift)]
    ways = f": {(shift > 0).sum()} up, {(shift < 0).sum()} down" if len(shift) else ""
    most = f", by at most {abs(shift).max():.1f} points" if len(shift) else ""
    console.say(f"{changed.version} over {len(told.everything)} measured submissions, without measuring again")
    console.say(f"scores moved: {len(told.moved)}{ways}{most}")
    console.say(f"gates flipped: {told.gate_count}")
    _list(f"{f.receipt}  {f.gate}: {f.before} → {f.after}" for f in told.gate_flips())
    console.say(f"recommendations flipped: {len(told.recommendations)}")
    _list(f"{f.receipt}  {f.before or '–'} → {f.after or '–'}" for f in told.recommendation_flips())
    console.say(f"ranks flipped: {len(told.ranks)}")
    _list(f"{f.receipt}  {f.theme}: {f.before or '–'} → {f.after or '–'}" for f in told.rank_flips())


def _list(lines: Iterable[str]) -> None:
    rest = 0
    for number, line in enumerate(lines):
        if number < _LISTED:
            console.say(f"  {line}")
        else:
            rest += 1
    if rest:
        console.say(f"  … and {rest} more: --json lists all")


def _print_json(facts: Any) -> None:
    console.say(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY).decode())


# -- ranks ---------------------------------------------------------------------------------


def _with_filters(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the filter options of `proposals export`; they reach it as `**filters`."""
    own = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    exported = inspect.signature(export, eval_str=True).parameters.values()
    shared = [p for p in exported if p.name not in ("output", "explain")]
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p.replace(annotation=inspect.get_annotations(function, eval_str=True)[p.name]) for p in own] + shared
    )
    return function


@proposals.command()
@_with_filters
def rank(
    samples: Annotated[
        int, typer.Option(metavar="N", min=1, max=100_000, help="How many weight vectors are drawn.")
    ] = ranking.SAMPLES,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="The same seed draws the same weights.")] = 1,
    concentration: Annotated[
        float,
        typer.Option(metavar="C", min=1.0, help="How tightly they lie around the set's; higher is tighter."),
    ] = ranking.CONCENTRATION,
    top: Annotated[int, typer.Option(metavar="K", min=1, help="How many of a theme are the top.")] = 10,
    under: Annotated[
        str | None, typer.Option(metavar="VERSION", help="The criteria set; without it, the one in force.")
    ] = None,
    as_json: AsJson = False,
    **filters: Any,
) -> None:
    """Rank proposals within their theme, and say how firm each rank is.

    With the interval (5-95 %) and the share of samples in the top under weights drawn around the set's
    own (Dirichlet), the rank under each stakeholder group's weights where the set declares them, and
    the proposals that no drawn weights tell apart. Only what the filters mean is ranked; without
    --kind, proposals alone; hidden ones never.
    """
    with transaction(SYSTEM) as connection:
        wanted = _wanted(filters, known_words(connection))
        judging = (
            criteria_store.stored_set(connection, under) if under else criteria_store.in_force(connection)
        )
        ids = list(connection.scalars(select(proposal.c.id).select_from(SCORED).where(*where(wanted))))
        loaded = replay_data.load(connection, [judging], ids)
    table = rank_table(
        loaded.everything, judging, samples=samples, seed=seed, concentration=concentration, top=top
    )
    if as_json:
        _print_json(table.facts())
    else:
        _say_ranks(table)
    others = sum(a.rows.stop - a.rows.start for a in loaded.everything.alike if a.criteria_set != judging.version)
    for count, what in (
        (others, f"were judged by another set than {judging.version}: here as what-if"),
        (loaded.unmeasured, "are not measured yet, and left out"),
        (loaded.stale, "are stale: a layer has changed since they were measured"),
    ):
        if count:
            console.remark(f"warning: {count} {what}; see masterplan proposals score" if "set" not in what
                           else f"warning: {count} {what}")  # fmt: skip


def _wanted(filters: dict[str, Any], known: Any) -> ProposalFilter:
    given = {name: value if value is not None else () for name, value in filters.items()}
    single = ("kind", "bbox", "text", "min_score", "max_score", "since", "until")
    given |= {name: filters[name] for name in single}
    return from_words(**(given | {"kind": filters["kind"] or "proposal"}), known=known)


def _say_ranks(table: RankTable) -> None:
    console.say(
        f"{table.criteria} with {table.samples} drawn weight vectors (seed {table.seed}, Dirichlet, concentration"
        f" {table.concentration:g}: a weight of 10 % varies by ± {100 * ranking.spread(0.1, table.concentration):.1f}"
        " points, one standard deviation)"
    )
    console.table(table.rows(), as_json=False)
    for tie in table.ties:
        console.say(f"tied, whatever the weights: {', '.join(tie)}")


# -- judge ---------------------------------------------------------------------------------


@proposals.command()
def judge(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A tracking code.")],
    criterion: Annotated[str, typer.Argument(metavar="CRITERION", help="The key of a criterion, as coherence.")],
    given: Annotated[
        str,
        typer.Argument(metavar="GIVEN", help=f"Points 0-100; of a gate {', '.join(GIVEN_VERDICTS)}; or {TAKE_BACK}."),
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; public where the submission is.")],
) -> None:
    """Judge a criterion of a submission, or overrule what was computed, with a reason.

    The total counts what was given; what was computed stays beside it everywhere. “computed” takes back
    what was given before. Nothing given is ever deleted.
    """
    outcome = give(code, criterion, given, reason, SYSTEM)
    with transaction(SYSTEM) as connection:
        telling = teller(connection, "en")
    console.say(telling.outcome(outcome.score.total, outcome.score.coverage, outcome.score.recommendation))
    said = telling.sentence(outcome.criteria.criterion(criterion), outcome.score.results[criterion])
    console.say(console.one_line(said))


# -- relations -----------------------------------------------------------------------------


@proposals.command("relations")
def list_relations(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A tracking code.")], as_json: AsJson = False
) -> None:
    """List what other submissions a submission overlaps, continues, conflicts with or repeats.

    From place, theme and words; hidden and withdrawn ones are left out. With the part of the smaller one
    that both cover, the distance in metres, and how alike the words are.
    """
    with transaction(SYSTEM) as connection:
        found = relations_of(connection, code)
    rows = [
        {"kind": r.kind, "receipt": r.other, "theme": r.theme, "shared": round(r.shared, 4),
         "distance_m": round(r.distance_m, 1), "alike": round(r.alike, 2), "title": r.title}
        for r in found
    ]  # fmt: skip
    console.table(rows, as_json)


# -- explain -------------------------------------------------------------------------------


@proposals.command()
def explain(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A tracking code.")],
    lang: Annotated[str, typer.Option(metavar="ro|en", help="The language of the sentences.")] = "ro",
    why: Annotated[
        bool, typer.Option("--why", help="Say what changed since it was measured before, criterion by criterion.")
    ] = False,
    under: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Say what another criteria set would change, as what-if."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say each result of a submission in one plain sentence.

    With the question, the value and its unit, the limit or the piece of the value function, the layer
    with its version and date, and what it adds to the total.
    """
    if lang not in LANGUAGES:
        raise typer.BadParameter(f"“{lang}” is none of {', '.join(LANGUAGES)}.", param_hint="--lang")
    with transaction(SYSTEM) as connection:
        now = explained(connection, code)
        other = explained(connection, code, under) if under else None
        before = explained_before(connection, code) if why else None
        telling = teller(connection, lang)
    if why and before is None:
        console.remark("Measuring again never found anything else than the first time, and nobody overruled it.")
    first, second = (now, other) if other else (before, now)
    changes = compare(first.score.results, second.score.results) if first and second and (why or under) else []
    facts = {
        "receipt": now.receipt, "title": now.title, "criteria_set": now.criteria.version, "stale": now.stale,
        "measured_at": now.measured_at, "total": now.score.total, "coverage": now.score.coverage,
        "recommendation": now.score.recommendation,
        "sentences": telling.sentences(now.criteria, now.score.results),
        "changes": [{"criterion": c.key, "causes": c.causes, "points": c.points, "sentence":
                     telling.change(c, _naming(c.key, second, first))} for c in changes],
    }  # fmt: skip
    if as_json:
        _print_json(facts)
        return
    console.say(f"{now.receipt}  {console.one_line(now.title)}  ({now.criteria.version})")
    console.say(telling.outcome(now.score.total, now.score.coverage, now.score.recommendation))
    if overruled := telling.overruled(now.score.results):
        console.say(overruled)
    if now.stale:
        console.remark("warning: stale: a layer has changed since it was measured; see masterplan proposals score")
    if first and second and (why or under):
        console.say(f"{_label(first)} → {_label(second)}")
    for line in [c["sentence"] for c in facts["changes"]] if why or under else facts["sentences"]:
        console.say(console.one_line(line))


def _label(result: Explained) -> str:
    total = "–" if result.score.total is None else f"{result.score.total:g}"
    return f"{result.criteria.version}, {result.measured_at:%Y-%m-%d %H:%M}: {total}"


def _naming(key: str, *sets: Explained | None) -> CriteriaSet:
    """The first of these sets that has the criterion."""
    return next(s.criteria for s in sets if s and any(c.key == key for c in s.criteria.criteria))
