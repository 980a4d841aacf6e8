"""Generated passwords and keys of this installation, kept in `<state_dir>/secrets.json` (0600)."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from masterplan.errors import ConfigurationError
from masterplan.language import N_
from masterplan.settings import settings

_BYTES = 32


def secret(name: str) -> str:
    """The secret called `name`: made on first use, the same for every process afterwards.

    Raises
    ------
    ConfigurationError
        When the file of secrets is damaged or belongs to someone else.
    """
    known = _read()
    if name in known:
        return known[name]
    with _only_one_writer():
        known = _read()
        if name not in known:
            known[name] = secrets.token_urlsafe(_BYTES)
            _replace(known)
    return known[name]


def private_folder(path: Path) -> Path:
    """`path`, made with mode 0700 if it is not there.

    Raises
    ------
    ConfigurationError
        When this user cannot make it or write to it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        usable = os.access(path, os.R_OK | os.W_OK | os.X_OK)
    except OSError:
        usable = False
    if not usable:
        raise ConfigurationError(
            N_("The folder {path} cannot be used by this user. Run as its owner,"
               " or choose another with MASTERPLAN_STATE_DIR."),
            path=path,
        )  # fmt: skip
    return path


def _file() -> Path:
    return settings().state_dir / "secrets.json"


def _read() -> dict[str, str]:
    try:
        content = json.loads(_file().read_text())
    except FileNotFoundError:
        return {}
    except PermissionError as refused:
        raise ConfigurationError(
            N_("The file {path} belongs to another user. Run as that user,"
               " or choose another folder with MASTERPLAN_STATE_DIR."),
            path=_file(),
        ) from refused  # fmt: skip
    except ValueError as damaged:
        raise ConfigurationError(
            N_("The file {path} is damaged. Restore it from a copy, or delete it: new passwords are made."),
            path=_file(),
        ) from damaged
    return content


@contextmanager
def _only_one_writer() -> Iterator[None]:
    folder = private_folder(settings().state_dir)
    with (folder / "secrets.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(content: dict[str, str]) -> None:
    """A reader sees the old file or the new one, never half of one; a crash loses neither."""
    fresh = _file().with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(content, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(_file())
