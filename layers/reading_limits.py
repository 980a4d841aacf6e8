"""How much of a foreign file is read, and with what means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Caps on a foreign file and on the process that reads it. A file beyond one is refused, never cut."""

    file_bytes: int = 50_000_000
    features: int = 200_000
    #: Vertices in the whole file, and in one feature.
    vertices: int = 2_000_000
    feature_vertices: int = 200_000
    #: Characters in one text property or CSV field, and properties or CSV columns of one feature.
    text_chars: int = 100_000
    properties: int = 500
    #: Brackets inside brackets, anywhere in a JSON file.
    nesting: int = 40
    #: Issue rows of one kind; beyond them, one row says how many more there are.
    issues_per_kind: int = 1_000
    #: Of the child process.
    memory_bytes: int = 2_000_000_000
    cpu_seconds: int = 60
    wall_seconds: int = 120
    result_bytes: int = 500_000_000


DEFAULT_LIMITS = Limits()
