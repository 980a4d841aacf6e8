"""Servers and a browser to measure with: one at a time, on this machine only."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from bench.worlds import PROJECT_ROOT, Broken

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
#: WebGL by software; no name but this machine's is found.
_ARGUMENTS = [
    "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]  # fmt: skip
_START_WITHIN_S = 90


@contextmanager
def browser() -> Iterator[Browser]:
    """Headless Chromium with no way out to another host."""
    program = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if program is None:
        raise SystemExit("Chromium is not installed: run `make bench`, which installs it.")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield launched
        launched.close()


@contextmanager
def server(*command: str) -> Iterator[str]:
    """Run `python COMMAND` on a free port until the block ends; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT_ROOT, env=os.environ | {"PORT": str(port)}, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait(process, address, log)
            yield address
        finally:
            process.terminate()
            process.wait(20)


def _wait(process: subprocess.Popen, address: str, log) -> None:
    until = time.monotonic() + _START_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    log.seek(0)
    raise Broken(f"A server to measure did not start:\n{log.read().decode(errors='replace')[-3000:]}")
