"""A bucket of tokens for each name, on a clock of the test's own."""

from __future__ import annotations

import pytest

from masterplan.pace import Pace, TooFast


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(pace: Pace, name: str, times: int) -> int:
    """How many of so many requests are let through."""
    through = 0
    for _ in range(times):
        try:
            pace.take(name)
            through += 1
        except TooFast:
            pass
    return through


def test_a_burst_then_so_many_a_second() -> None:
    clock = Clock()
    pace = Pace(per_second=2, burst=5, names=10, clock=clock)
    assert taken(pace, "a", 8) == 5
    clock.now += 1.5
    assert taken(pace, "a", 8) == 3
    clock.now += 3600
    assert taken(pace, "a", 8) == 5
    assert taken(pace, "b", 8) == 5


def test_it_says_when_to_go_on() -> None:
    clock = Clock()
    pace = Pace(per_second=0.25, burst=1, names=10, clock=clock)
    pace.take("a")
    with pytest.raises(TooFast) as refused:
        pace.take("a")
    assert refused.value.seconds == 4
    clock.now += 3
    with pytest.raises(TooFast) as refused:
        pace.take("a")
    assert refused.value.seconds == 1
    clock.now += 1
    pace.take("a")


def test_names_seen_longest_ago_are_forgotten_so_that_memory_is_bounded() -> None:
    pace = Pace(per_second=0.001, burst=1, names=3, clock=Clock())
    for name in ("a", "b", "c"):
        pace.take(name)
    assert taken(pace, "a", 1) == 0
    pace.take("d")  # forgets b: a was seen after it
    assert (taken(pace, "a", 1), taken(pace, "b", 1)) == (0, 1)
