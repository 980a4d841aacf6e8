"""Writing a file that a command was asked for: whole or not at all, or to the standard output."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO, TypeVar

from masterplan.errors import MasterplanError
from masterplan.language import N_

T = TypeVar("T")


def write_file(pieces: Generator[bytes, None, T], path: str) -> T:
    """Write the pieces to `path`, or to the standard output for `-`; what the generator returned.

    A regular file appears whole or not at all: what was there before stays until the last byte.

    Raises
    ------
    MasterplanError
        When the file cannot be written, beside what the pieces raise.
    """
    if path == "-":
        return _write(pieces, sys.stdout.buffer)
    try:
        if Path(path).exists() and not Path(path).is_file():
            with Path(path).open("wb") as device:
                return _write(pieces, device)
        return _write_whole(pieces, Path(path).resolve())
    except OSError as refused:
        raise MasterplanError(
            N_("{path} cannot be written: {reason}."), path=path, reason=refused.strerror or refused
        ) from refused
    finally:
        pieces.close()


def _write_whole(pieces: Generator[bytes, None, T], path: Path) -> T:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            returned = _write(pieces, file)
            os.fsync(file.fileno())
        unfinished.chmod(_usual_mode())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return returned


def _usual_mode() -> int:
    """What a new file of this user gets; `mkstemp` alone would keep it from everyone else."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _write(pieces: Generator[bytes, None, T], file: BinaryIO) -> T:
    while True:
        try:
            file.write(next(pieces))
        except StopIteration as end:
            file.flush()
            return end.value
