"""`python -m bench.proof`: the full figures and promises, a report for each subject, written to docs/proof/."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime

from bench import worlds  # isort: skip - before anything that reads settings
from bench import promises
from bench.figures import Section, markdown
from bench.machine import described
from bench.run import FULL, MEASUREMENTS, QUICK, WITHOUT_WORLDS, attempt, clock
from bench.worlds import Say

FOLDER = worlds.PROJECT_ROOT / "docs" / "proof"


@dataclass(frozen=True)
class Subject:
    """What one report proves: its title, its measurements, and whether the promises in bytes and rows belong to it."""

    title: str
    measurements: tuple[str, ...]
    promises: bool = False


SUBJECTS = {
    "main-job": Subject("the main job", ("rescoring", "map", "submitting", "exporting"), promises=True),
    "criteria": Subject("the criteria engine", ("rubric", "replaying", "ranking")),
    "rasters": Subject("layers derived from rasters", ("terrain",)),
}


def main() -> None:
    options, say = _arguments(), clock()
    asked = {key for name in options.subject or SUBJECTS for key in SUBJECTS[name].measurements}
    counts = QUICK if options.quick else FULL
    with worlds.worlds(() if asked <= WITHOUT_WORLDS else counts, say):
        _prove(options, say)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Prove with full figures what the issues ask for.")
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK}: a smoke test; no report is written")
    parser.add_argument("--subject", choices=SUBJECTS, action="append", help="this report alone; repeatable")
    return parser.parse_args()


def _prove(options: argparse.Namespace, say: Say) -> None:
    counts = QUICK if options.quick else FULL
    for name in options.subject or SUBJECTS:
        subject = SUBJECTS[name]
        found = [attempt(key, lambda key=key: MEASUREMENTS[key](counts, say), say) for key in subject.measurements]
        if subject.promises:
            found.append(attempt("promises", lambda: promises.check(max(counts), say), say))
        report = _report(subject, options.quick, described(), sorted(found, key=lambda section: section.title))
        print(report)
        if options.quick:
            say("Small figures: no report is written")
            continue
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{datetime.now(UTC):%Y-%m-%d}-{name}.md"
        path.write_text(report, encoding="utf-8")
        say(f"Written: {path.relative_to(worlds.PROJECT_ROOT)}")


def _report(subject: Subject, quick: bool, facts: list[str], found: list[Section]) -> str:
    goals = [goal for section in found for goal in section.goals]
    met = sum(goal.met is True for goal in goals)
    missed = [goal for goal in goals if goal.met is False]
    lines = [
        f"# Proof of {subject.title}", "",
        "Written by `make proof`" + (" (quick: small numbers, goals not judged)" if quick else "") + ".", "",
        *(f"- {fact}" for fact in facts), "",
        f"**{met} of {len(goals)} goals met, {len(missed)} missed, {len(goals) - met - len(missed)} not judged.**", "",
        *(f"- missed: {goal.what}: {goal.found}" for goal in missed), "",
    ]  # fmt: skip
    return "\n".join([*lines, *(markdown(section) for section in found)])


if __name__ == "__main__":
    main()
