"""How often somebody may ask: a bucket of tokens for each name, in this process alone."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from masterplan.errors import MasterplanError
from masterplan.language import N_

TOO_FAST = N_("You ask faster than this is answered. It goes on in {seconds} s.")


class TooFast(MasterplanError):
    """Asked too often; `seconds` says after how many to ask again."""

    http_status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(TOO_FAST, seconds=seconds)
        self.seconds = seconds


class Pace:
    """`burst` requests at once, then `per_second`, for each name; the names least lately seen are forgotten."""

    def __init__(self, per_second: float, burst: int, names: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._names = names
        self._clock = clock
        #: Name → tokens left, and when they were counted.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str) -> None:
        """Count one request of this name.

        Raises
        ------
        TooFast
            When there was one too many; it counts for nothing.
        """
        now = self._clock()
        with self._lock:
            left, counted_at = self._buckets.get(name, (float(self._burst), now))
            left = min(float(self._burst), left + (now - counted_at) * self._per_second)
            enough = left >= 1
            self._buckets[name] = (left - 1 if enough else left, now)
            self._buckets.move_to_end(name)
            while len(self._buckets) > self._names:
                self._buckets.popitem(last=False)
        if not enough:
            raise TooFast(ceil((1 - left) / self._per_second))
