"""The set-up script: it installs only what is missing, and says the remedy when it cannot."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from masterplan.settings import settings

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"scripts_{name}", PROJECT_ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, working in a folder of its own that holds copies of the locks."""
    module = load("setup")
    for name in ("requirements.txt", "requirements-dev.txt", "package-lock.json"):
        (tmp_path / name).write_bytes((PROJECT_ROOT / name).read_bytes())
    for name, place in {
        "ROOT": "", "STATE": "state", "LOGS": "state/logs", "VENV": ".venv",
        "VENV_PYTHON": ".venv/bin/python", "NODE_MODULES": "node_modules",
    }.items():  # fmt: skip
        monkeypatch.setattr(module, name, tmp_path / place)
    return module


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("MASTERPLAN_STATE_DIR", str(tmp_path / "state"))
    settings.cache_clear()
    yield load("serve")
    monkeypatch.undo()
    settings.cache_clear()


def forbid(*_: object, **__: object) -> None:
    raise AssertionError("it should not have started a program")


def process_of_ours() -> subprocess.Popen[str]:
    program = "import time; print('on', flush=True); time.sleep(30)"
    started = subprocess.Popen(
        [sys.executable, "-c", program, str(PROJECT_ROOT)], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout.readline() == "on\n"
    return started


def test_it_runs_on_a_python_with_nothing_installed() -> None:
    program = "import runpy; runpy.run_path('scripts/setup.py')['_postgresql']().installations()"
    bare = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(bare, cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class TestSystemPackages:
    def test_each_missing_part_names_its_debian_package(
        self, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(setup.importlib.util, "find_spec", lambda _: None)
        monkeypatch.setattr(setup, "_loads", lambda _: False)
        monkeypatch.setattr(setup.shutil, "which", lambda _, path=None: None)
        monkeypatch.setattr(setup, "_has_romanian_font", lambda: False)
        monkeypatch.setattr(setup._postgresql(), "installations", list)
        monkeypatch.setattr(setup.sys, "platform", "linux")
        for_run = ["python3-venv", "postgresql-postgis", "libexpat1"]
        assert list(setup.missing_system_packages(for_tests=False).values()) == for_run
        for_tests = [*for_run, "libatomic1", "chromium", "nginx", "fonts-dejavu-core"]
        assert list(setup.missing_system_packages(for_tests=True).values()) == for_tests
        monkeypatch.setenv("MASTERPLAN_DATABASE_URL", "postgresql://elsewhere/db")
        assert "postgresql-postgis" not in setup.missing_system_packages(for_tests=False).values()

    def test_nothing_missing_calls_no_program(
        self, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(setup.subprocess, "Popen", forbid)
        setup.install_system_packages({})

    def test_without_apt_it_names_the_part(self, setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(setup.shutil, "which", lambda _: None)
        with pytest.raises(setup.SetupFailed, match="Missing on this system: PostgreSQL"):
            setup.install_system_packages({"PostgreSQL": "postgresql-postgis"})

    def test_without_sudo_it_says_the_line_for_root(
        self, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(setup.os, "geteuid", lambda: 1000)
        monkeypatch.setattr(setup.shutil, "which", lambda name: None if name == "sudo" else f"/bin/{name}")
        with pytest.raises(setup.SetupFailed, match="no sudo.*apt-get install .* postgresql-postgis"):
            setup.install_system_packages({"PostgreSQL": "postgresql-postgis"})

    @pytest.mark.parametrize("outcomes", [[0], [100, 0, 0], [100, 100], [100, 0, 100]])
    def test_debian_makes_no_cluster_and_etc_is_left_as_found(
        self, setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcomes: list[int]
    ) -> None:
        drop_in = tmp_path / "etc" / "createcluster.d" / "masterplan-setup.conf"
        policy = tmp_path / "policy-rc.d"
        calls, answers = [], iter(outcomes)

        def apt(way: str, *_packages: str) -> int:
            assert drop_in.read_text() == "create_main_cluster = false\n"
            assert subprocess.run([policy], check=False).returncode == 101, "no service is started"
            calls.append(way)
            return next(answers)

        monkeypatch.setattr(setup, "_NO_MAIN_CLUSTER", drop_in)
        monkeypatch.setattr(setup, "_POLICY", policy)
        monkeypatch.setattr(setup, "_all_known_to_apt", lambda _: True)
        monkeypatch.setattr(setup, "_apt", apt)
        assert setup.install_as_root(["postgresql-postgis"]) == outcomes[-1]
        assert calls == ["install", "update", "install"][: len(outcomes)]
        assert list(tmp_path.glob("etc")) == []
        assert not policy.exists()

    def test_nginx_is_neither_started_nor_at_the_next_start_of_the_machine(
        self, setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And the answer that an administrator gave to Debian's question stays as it is."""
        policy, systemctl = tmp_path / "policy-rc.d", []
        policy.write_text("theirs")
        monkeypatch.setattr(setup, "_NO_MAIN_CLUSTER", tmp_path / "etc" / "x" / "y.conf")
        monkeypatch.setattr(setup, "_POLICY", policy)
        monkeypatch.setattr(setup, "_all_known_to_apt", lambda _: True)
        monkeypatch.setattr(setup, "_apt", lambda *_: 0)
        monkeypatch.setattr(setup.shutil, "which", lambda _: "/bin/systemctl")
        monkeypatch.setattr(setup.subprocess, "run", lambda command, **_: systemctl.append(command))
        assert setup.install_as_root(["nginx"]) == 0
        assert systemctl == [["systemctl", "disable", "--quiet", "nginx"]]
        assert policy.read_text() == "theirs"


class TestStamps:
    def test_browser_assets_are_installed_once_for_one_lock(
        self, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        installs = []

        def npm(command: list[str], **_: object) -> None:
            installs.append(command)
            setup.NODE_MODULES.mkdir(exist_ok=True)

        monkeypatch.setattr(setup, "_follow", npm)
        setup.install_browser_assets(for_tests=False)
        setup.install_browser_assets(for_tests=False)
        assert len(installs) == 1
        setup.install_browser_assets(for_tests=True)
        setup.install_browser_assets(for_tests=False)
        assert len(installs) == 2
        (setup.ROOT / "package-lock.json").write_text("{}")
        setup.install_browser_assets(for_tests=False)
        assert len(installs) == 3

    def test_python_packages_are_installed_once_for_one_lock(
        self, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        installs = []

        def pip(command: list[object], **_: object) -> None:
            setup.VENV.mkdir(exist_ok=True)
            installs.append("venv" if "venv" in command else "pip")

        monkeypatch.setattr(setup, "_follow", pip)
        monkeypatch.setattr(setup, "_put_project_on_path", lambda: None)
        monkeypatch.setattr(setup, "_venv_works", lambda: bool(installs))
        setup.install_python_packages(for_tests=True)
        assert installs == ["venv", "pip"]
        setup.install_python_packages(for_tests=False)
        setup.install_python_packages(for_tests=True)
        assert installs == ["venv", "pip"]
        (setup.ROOT / "requirements.txt").write_text("")
        setup.install_python_packages(for_tests=False)
        assert installs == ["venv", "pip", "pip"]

    def test_an_environment_that_was_moved_is_made_anew(
        self, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = []
        setup.VENV.mkdir()
        (setup.VENV / "masterplan-setup.json").write_text(json.dumps({"place": "/where/it/was/.venv"}))
        monkeypatch.setattr(setup, "_venv_works", lambda: True)
        monkeypatch.setattr(setup, "_follow", lambda command, **_: made.append("--clear" in command))
        monkeypatch.setattr(setup, "_put_project_on_path", lambda: None)
        setup.install_python_packages(for_tests=False)
        assert made == [True, False]


def test_a_program_that_fails_shows_its_last_words_and_the_remedy(setup: ModuleType) -> None:
    setup.LOGS.mkdir(parents=True)
    with pytest.raises(setup.SetupFailed, match=r"(?s)no such package.*Ask the neighbour"):
        setup._follow(["sh", "-c", "echo no such package; exit 3"], log="x", remedy="Ask the neighbour.")


class TestServing:
    def test_a_taken_port_names_another(self, serve: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            monkeypatch.setenv("PORT", str(port))
            settings.cache_clear()
            with pytest.raises(serve.Failed, match=f"make run PORT={port + 1}"):
                serve._refuse_taken_port()

    def test_a_port_that_is_no_number_is_said(
        self, serve: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PORT", "acasă")
        settings.cache_clear()
        assert serve.main(["stop"]) == 1
        assert "PORT" in capsys.readouterr().err
        monkeypatch.delenv("PORT")
        settings.cache_clear()

    def test_a_strangers_process_is_never_ended(self, serve: ModuleType) -> None:
        """The number of a process of ours may belong to somebody else by now."""
        stranger = subprocess.Popen(["sleep", "30"], cwd="/")
        try:
            settings().state_dir.mkdir(mode=0o700)
            serve._record().write_text(json.dumps({"supervisor": stranger.pid, "server": stranger.pid}))
            serve._refuse_second_run()
            serve._stop_leftovers()
            assert stranger.poll() is None
            assert not serve._record().exists()
        finally:
            stranger.kill()
            stranger.wait()

    def test_what_a_killed_run_left_is_ended(self, serve: ModuleType) -> None:
        left = process_of_ours()
        settings().state_dir.mkdir(mode=0o700)
        serve._record().write_text(json.dumps({"supervisor": 2**22 + 1, "server": left.pid}))
        serve._stop_leftovers()
        assert left.wait(timeout=10) != 0

    def test_a_second_run_says_that_there_is_one(self, serve: ModuleType) -> None:
        running = process_of_ours()
        try:
            settings().state_dir.mkdir(mode=0o700)
            serve._record().write_text(json.dumps({"supervisor": running.pid}))
            with pytest.raises(serve.Failed, match="already runs.*make stop"):
                serve._refuse_second_run()
        finally:
            running.kill()
            running.wait()

    def test_a_log_is_bounded_while_its_program_writes_on(self, serve: ModuleType) -> None:
        small = serve._log_of("worker")
        small.write_text("a line")
        with serve._open_log("server") as log, serve.cluster.log_file().open("ab") as database:
            for stream, first in ((log, b"server"), (database, b"database")):
                stream.write(first + b"x" * serve._LARGEST_LOG_BYTES)
                stream.flush()
            serve._bound_logs()
            log.write(b"goes on")
        assert serve._log_of("server").read_bytes() == b"goes on"
        assert serve._log_of("server").with_suffix(".log.old").read_bytes().startswith(b"serverxx")
        assert serve.cluster.log_file().read_bytes() == b""
        assert small.read_text() == "a line" and not small.with_suffix(".log.old").exists()

    def test_data_is_not_erased_without_a_yes(
        self, serve: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("YES", raising=False)
        monkeypatch.setattr(serve.cluster, "erase", forbid)
        assert serve.main(["erase"]) == 1
        assert "make erase YES=1" in capsys.readouterr().err


def test_make_help_lists_every_target() -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    environment = {**os.environ, "MAKEFLAGS": ""}
    said = subprocess.run(
        ["make", "--no-print-directory"], cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True
    ).stdout
    declared = next(line for line in makefile.splitlines() if line.startswith(".PHONY")).split()[1:]
    assert declared == [line.split()[1] for line in said.splitlines()]
