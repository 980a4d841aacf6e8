"""`python -m bench.proof`: the full figures and promises, written to docs/proof/."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from bench import worlds  # isort: skip - before anything that reads settings
from bench import promises
from bench.figures import Section, markdown
from bench.machine import described
from bench.run import FULL, QUICK, arguments, attempt, clock, sections

FOLDER = worlds.PROJECT_ROOT / "docs" / "proof"


def main() -> None:
    options, say = arguments("Prove the main job with full figures."), clock()
    counts = QUICK if options.quick else FULL
    with worlds.worlds(counts, say):
        found = sections(options, say)
        if not options.only:
            found.append(attempt("promises", lambda: promises.check(max(counts), say), say))
        facts = described()
    report = _report(options, facts, found)
    print(report)
    if options.quick or options.only:
        say("A part of the figures: no report is written")
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{datetime.now(UTC):%Y-%m-%d}-main-job.md"
    path.write_text(report, encoding="utf-8")
    say(f"Written: {path.relative_to(worlds.PROJECT_ROOT)}")


def _report(options: argparse.Namespace, facts: list[str], found: list[Section]) -> str:
    goals = [goal for section in found for goal in section.goals]
    met = sum(goal.met is True for goal in goals)
    missed = [goal for goal in goals if goal.met is False]
    lines = [
        "# Proof of the main job", "",
        "Written by `make proof`" + (" (quick: small numbers, goals not judged)" if options.quick else "") + ".", "",
        *(f"- {fact}" for fact in facts), "",
        f"**{met} of {len(goals)} goals met, {len(missed)} missed, {len(goals) - met - len(missed)} not judged.**", "",
        *(f"- missed: {goal.what}: {goal.found}" for goal in missed), "",
    ]  # fmt: skip
    return "\n".join([*lines, *(markdown(section) for section in found)])


if __name__ == "__main__":
    main()
