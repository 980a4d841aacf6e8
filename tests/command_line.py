"""The command `masterplan`, in this process or in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

import cli

ROOT = Path(__file__).resolve().parents[1]
Done = subprocess.CompletedProcess[str]


def run(*words: object, expect: int = 0) -> Done:
    """What the command does with these words, from its own entry on, without the second that a process takes to start.

    Each group of commands has a test that starts a real one (`run_process`).
    """
    said, complained = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    arguments = ["masterplan", *map(str, words)]
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(said), redirect_stderr(complained):
        patched.setattr(sys, "argv", arguments)
        try:
            cli.main()
            status = 0
        except SystemExit as ended:
            status = ended.code or 0
    streams = [stream.buffer.getvalue().decode() for stream in (said, complained)]
    return _as_expected(Done(arguments, status, *streams), expect)


def run_process(*words: object, expect: int = 0, **environment: str) -> Done:
    """What the command does as a person runs it, with other settings where they are given."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *map(str, words)], cwd=ROOT, capture_output=True, text=True,
        timeout=300, env=os.environ | environment,
    )  # fmt: skip
    return _as_expected(done, expect)


def _as_expected(done: Done, expect: int) -> Done:
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done
