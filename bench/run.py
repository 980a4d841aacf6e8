"""All measurements, in one run on one machine."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from playwright.sync_api import Error as PlaywrightError
from sqlalchemy.exc import DBAPIError

from bench import exporting, first_map, ranking, replaying, rescoring, rubric, submitting, terrain
from bench.figures import Goal, Section, markdown
from bench.worlds import Broken, Say
from masterplan.errors import MasterplanError

FULL = (100, 10_000, 100_000)
QUICK = (100, 1_000)

#: Rescoring goes first: it leaves the results of today's code in every world.
MEASUREMENTS: dict[str, Callable[[Sequence[int], Say], Section]] = {
    "rescoring": rescoring.measure,
    "map": first_map.measure,
    "submitting": submitting.measure,
    "exporting": exporting.measure,
    "replaying": replaying.measure,
    "ranking": ranking.measure,
    "rubric": rubric.measure,
    "terrain": terrain.measure,
}
#: These need no database.
WITHOUT_WORLDS = {"terrain"}


def arguments(description: str) -> argparse.Namespace:
    """The options that both commands take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK}: a smoke test; no goal is judged")
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="this measurement alone; repeatable")
    return parser.parse_args()


def sections(options: argparse.Namespace, say: Say) -> list[Section]:
    counts = QUICK if options.quick else FULL
    wanted = options.only or list(MEASUREMENTS)
    found = [
        attempt(name, lambda act=act: act(counts, say), say) for name, act in MEASUREMENTS.items() if name in wanted
    ]
    return sorted(found, key=lambda section: section.title)


def attempt(name: str, act: Callable[[], Section], say: Say) -> Section:
    """A section, shown as soon as it is there. One that breaks is a goal missed, and the others still count."""
    try:
        section = act()
    except (Broken, PlaywrightError, DBAPIError, MasterplanError, AssertionError) as failure:
        section = Section(f"Broken: {name}", "This measurement did not come to its end.")
        section.goals.append(Goal("the measurement runs", f"{type(failure).__name__}: {str(failure)[:300]!r}", False))
    say("Done:\n\n" + markdown(section))
    return section


def clock() -> Say:
    """Says what is being done, with the seconds since the start, on the error stream."""
    began = time.monotonic()
    return lambda words: print(f"{time.monotonic() - began:6.0f} s  {words}", file=sys.stderr, flush=True)
