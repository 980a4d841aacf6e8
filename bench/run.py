"""All four measurements, in one run on one machine."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from bench import exporting, first_map, rescoring, submitting
from bench.figures import Section
from bench.worlds import Say

FULL = (100, 10_000, 100_000)
QUICK = (100, 1_000)

#: Rescoring goes first: it leaves the results of today's code in every world.
MEASUREMENTS: dict[str, Callable[[Sequence[int], Say], Section]] = {
    "rescoring": rescoring.measure,
    "map": first_map.measure,
    "submitting": submitting.measure,
    "exporting": exporting.measure,
}


def arguments(description: str) -> argparse.Namespace:
    """The options that both commands take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK}: a smoke test; no goal is judged")
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="this measurement alone; repeatable")
    return parser.parse_args()


def sections(options: argparse.Namespace, say: Say) -> list[Section]:
    counts = QUICK if options.quick else FULL
    wanted = options.only or list(MEASUREMENTS)
    found = [act(counts, say) for name, act in MEASUREMENTS.items() if name in wanted]
    return sorted(found, key=lambda section: section.title)


def clock() -> Say:
    """Says what is being done, with the seconds since the start, on the error stream."""
    began = time.monotonic()
    return lambda words: print(f"{time.monotonic() - began:6.0f} s  {words}", file=sys.stderr, flush=True)
