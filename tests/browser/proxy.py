"""The real nginx with the files of `deploy/nginx`, on this machine only and never as a service of the system."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from masterplan.settings import PROJECT_ROOT
from tests.browser.conftest import free_port

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
FILES = PROJECT_ROOT / "deploy" / "nginx"
#: The names in the files, and what goes by them here: two that every system knows.
PUBLIC, STAFF = "localhost", "echipa.localhost"

_TOGETHER = 100

#: What a distribution's own nginx.conf holds. The address of a client is what the test says it is.
_AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Test-Address;
    include {folder}/masterplan.conf;
}}
"""


@dataclass
class Proxy:
    """nginx, running: its two ports, and where it writes."""

    port: int
    plain_port: int
    folder: Path

    @property
    def public(self) -> str:
        return f"https://{PUBLIC}:{self.port}"

    @property
    def staff(self) -> str:
        return f"https://{STAFF}:{self.port}"

    @property
    def log(self) -> Path:
        """Where both servers write whom they answered."""
        return self.folder / "access.log"

    def ask(
        self, path: str, *, name: str = PUBLIC, method: str = "GET", body: bytes = b"", tls: bool = True, **headers: str
    ) -> http.client.HTTPResponse:
        """The answer with its `text`; `name` is in the handshake and, unless `Host` is given, in the request."""
        connection = self._connected(name, tls)
        _put(connection, method, path, body, headers)
        return _got(connection)

    def ask_at_once(self, path: str, times: int, **headers: str) -> list[int]:
        """The statuses of that many requests over one connection, a hundred sent before their answers are read."""
        connection = self._connected(PUBLIC, tls=True)
        named = {"Host": f"{PUBLIC}:{self.port}"} | headers
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
        request = "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()
        answers, statuses = connection.sock.makefile("rb"), []
        while len(statuses) < times:
            # Both ways hold so many: nobody waits for the other to read.
            together = min(_TOGETHER, times - len(statuses))
            connection.sock.sendall(request * together)
            for _ in range(together):
                statuses.append(int(answers.readline().split()[1]))
                answers.read(int(http.client.parse_headers(answers)["Content-Length"]))
        connection.close()
        return statuses

    def _connected(self, name: str, tls: bool) -> http.client.HTTPConnection:
        port = self.port if tls else self.plain_port
        connection = http.client.HTTPConnection(name, port, timeout=30)
        connection.sock = socket.create_connection(("127.0.0.1", port), 30)
        if tls:
            connection.sock = trusting().wrap_socket(connection.sock, server_hostname=name)
        return connection


def _put(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes, headers: dict[str, str]
) -> None:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.putrequest(method, path, skip_host="Host" in named, skip_accept_encoding=True)
    for key, value in {"Content-Length": str(len(body)), **named}.items():
        connection.putheader(key, value)
    connection.endheaders(body)


def _got(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    answer = connection.getresponse()
    answer.text = answer.read().decode(errors="replace")
    connection.close()
    return answer


@cache
def trusting() -> ssl.SSLContext:
    """For the certificate that the test made itself."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextmanager
def nginx(folder: Path, public: tuple[int, int], staff: int) -> Iterator[Proxy]:
    """nginx before processes at these ports; ended by its own id."""
    if NGINX is None:
        pytest.skip("nginx is not installed: `make install` brings it on Debian and Ubuntu")
    proxy = Proxy(free_port(), free_port(), folder)
    _make_certificate(folder)
    shutil.copytree(FILES / "masterplan", folder / "masterplan")
    shared = folder / "masterplan" / "server.conf"
    shared.write_text(shared.read_text().replace("/var/log/nginx/masterplan.log", str(proxy.log)))
    (folder / "masterplan.conf").write_text(_for_this_machine(proxy, public, staff))
    (folder / "nginx.conf").write_text(_AROUND.format(folder=folder))
    command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with (folder / "out.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_until_it_listens(proxy, process)
        yield proxy
    finally:
        process.terminate()
        process.wait(10)


def _make_certificate(folder: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: the test makes its certificate with it")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
        check=True, capture_output=True,
    )  # fmt: skip


def _for_this_machine(proxy: Proxy, public: tuple[int, int], staff: int) -> str:
    """The file as it is, with ports, names and certificates of the test; every one must be in it."""
    text = (FILES / "masterplan.conf").read_text()
    for pattern, replacement in (
        (r" *listen \[::\].*\n", ""),
        (r"listen 80\b", f"listen 127.0.0.1:{proxy.plain_port}"),
        (r"listen 443\b", f"listen 127.0.0.1:{proxy.port}"),
        (r"server 127\.0\.0\.1:8511\b", f"server 127.0.0.1:{public[0]}"),
        (r"server 127\.0\.0\.1:8512\b", f"server 127.0.0.1:{public[1]}"),
        (r"server 127\.0\.0\.1:8521\b", f"server 127.0.0.1:{staff}"),
        (r"(?<=ssl_certificate )\S+(?=;)", str(proxy.folder / "certificate.pem")),
        (r"(?<=ssl_certificate_key )\S+(?=;)", str(proxy.folder / "key.pem")),
        (r"harta\.example\.ro", PUBLIC),
        (r"echipa\.example\.ro", STAFF),
    ):
        text, found = re.subn(pattern, replacement, text)
        assert found, pattern
    return text


def _wait_until_it_listens(proxy: Proxy, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail("nginx ended:\n" + "".join(
                (proxy.folder / name).read_text()[-3000:] for name in ("out.log", "error.log")
                if (proxy.folder / name).exists()
            ))  # fmt: skip
        try:
            socket.create_connection(("127.0.0.1", proxy.port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail("nginx does not listen")
