"""Generated secrets: one for all processes, readable by the owner alone."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from masterplan.errors import ConfigurationError
from masterplan.secrets import private_folder, secret
from masterplan.settings import settings

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MASTERPLAN_STATE_DIR", str(tmp_path / "state"))
    settings.cache_clear()
    yield tmp_path / "state"
    monkeypatch.undo()
    settings.cache_clear()


def test_a_secret_stays_the_same_and_each_name_has_its_own() -> None:
    assert secret("a") == secret("a")
    assert secret("a") != secret("b")
    assert len(secret("a")) >= 40


def test_only_the_owner_reads_it(state: Path) -> None:
    secret("a")
    assert stat.S_IMODE((state / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_processes_that_ask_at_once_get_the_same(state: Path) -> None:
    program = "from masterplan.secrets import secret; print([secret(n) for n in 'abcdefghij'])"
    asking = [
        subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = {each.communicate(timeout=60)[0] for each in asking}
    assert said == {f"{[secret(name) for name in 'abcdefghij']}\n"}


def test_a_damaged_file_is_said_and_kept(state: Path) -> None:
    state.mkdir()
    (state / "secrets.json").write_text('{"a": "half')
    with pytest.raises(ConfigurationError, match="damaged"):
        secret("a")
    assert (state / "secrets.json").read_text() == '{"a": "half'


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_someone_else_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match="MASTERPLAN_STATE_DIR"):
        private_folder(tmp_path / "mine")
