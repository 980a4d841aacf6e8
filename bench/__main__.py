"""`python -m bench`: the table of measurements."""

from __future__ import annotations

from bench import worlds  # isort: skip - before anything that reads settings
from bench.figures import markdown
from bench.machine import described
from bench.run import FULL, QUICK, WITHOUT_WORLDS, arguments, clock, sections


def main() -> None:
    options, say = arguments("Measure ours against named alternatives."), clock()
    if options.only and set(options.only) <= WITHOUT_WORLDS:
        sections(options, say)
        return
    with worlds.worlds(QUICK if options.quick else FULL, say):
        found = sections(options, say)
        print("\n".join(f"- {line}" for line in described()), end="\n\n")
    for section in found:
        print(markdown(section))


if __name__ == "__main__":
    main()
