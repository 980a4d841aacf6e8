"""What a process speaks to and where it listens, as the kernel tells it (`/proc`)."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

_LISTENS = "0A"


def sockets(pid: int) -> set[tuple[str, str, int, bool]]:
    """Protocol, address, port and whether it listens there; for a connection the address at the other end."""
    held = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held.add(str(each.readlink()))
        except OSError:
            continue  # closed meanwhile
    found = set()
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{protocol}").read_text().splitlines()[1:]:
            _, local, remote, state, *rest = line.split()
            if f"socket:[{rest[5]}]" in held:
                listens = state == _LISTENS
                found.add((protocol, *_address(local if listens else remote), listens))
    return found


def _address(hexadecimal: str) -> tuple[str, int]:
    words, _, port = hexadecimal.partition(":")
    # Words of four bytes in the machine's own order.
    packed = b"".join(struct.pack("=I", int(words[i : i + 8], 16)) for i in range(0, len(words), 8))
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed), int(port, 16)


def strangers(seen: set[tuple[str, str, int, bool]]) -> set[str]:
    """Of these, whatever is not this machine itself; an address of zeros is that of a socket not yet connected."""
    return {
        f"{protocol} {address}:{port}" for protocol, address, port, listens in seen
        if not _is_loopback(address) and (listens or port)
    }  # fmt: skip


def _is_loopback(address: str) -> bool:
    known = ipaddress.ip_address(address)
    return (getattr(known, "ipv4_mapped", None) or known).is_loopback


@contextmanager
def watching(pid: int) -> Iterator[set[tuple[str, str, int, bool]]]:
    """Every socket that the process had while the block ran, looked at a hundred times a second."""
    seen: set[tuple[str, str, int, bool]] = set()
    over = Event()

    def look() -> None:
        while not over.wait(0.01):
            try:
                seen.update(sockets(pid))
            except OSError:
                return

    looking = Thread(target=look, daemon=True)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()
