"""Locks on the process that reads foreign files: no network, no new programs, no files, bounded means.

Linux only for the system-call filters (x86_64 and aarch64); elsewhere the resource limits alone hold,
and `confine` says so. A lock, once on, cannot be taken off by anything the process does later.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_TSYNC = 1
_RETURN_ALLOW = 0x7FFF0000
_RETURN_EPERM = 0x00050000 | errno.EPERM
_RETURN_KILL = 0x80000000
_X32_BIT = 0x40000000
#: Offsets in the kernel's `struct seccomp_data`.
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET = 0, 4
#: BPF: load a word, jump if equal, jump if greater or equal, return.
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06

_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP_CALL = {"x86_64": 317, "aarch64": 277}

#: Numbers from the kernel's tables. The same number is used by every architecture from 424 on.
_NEW_CALLS = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "pidfd_open": 434,
    "openat2": 437, "pidfd_getfd": 438,
}
_CLONE3 = 435  # fmt: skip
_NETWORK_AND_PROCESSES = {
    "x86_64": {
        "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "recvfrom": 45, "sendmsg": 46,
        "recvmsg": 47, "bind": 49, "listen": 50, "socketpair": 53, "setsockopt": 54, "accept4": 288,
        "recvmmsg": 299, "sendmmsg": 307, "fork": 57, "vfork": 58, "execve": 59, "execveat": 322,
        "kill": 62, "ptrace": 101, "mount": 165, "unshare": 272, "setns": 308, "add_key": 248,
        "request_key": 249, "keyctl": 250, "perf_event_open": 298, "process_vm_readv": 310,
        "process_vm_writev": 311, "bpf": 321, "userfaultfd": 323,
    },
    "aarch64": {
        "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "accept": 202, "connect": 203,
        "sendto": 206, "recvfrom": 207, "setsockopt": 208, "sendmsg": 211, "recvmsg": 212,
        "accept4": 242, "recvmmsg": 243, "sendmmsg": 269, "execve": 221, "execveat": 281, "kill": 129,
        "ptrace": 117, "mount": 40, "unshare": 97, "setns": 268, "add_key": 217, "request_key": 218,
        "keyctl": 219, "perf_event_open": 241, "process_vm_readv": 270, "process_vm_writev": 271,
        "bpf": 280, "userfaultfd": 282,
    },
}  # fmt: skip
_FILES_AND_FORKS = {
    "x86_64": {
        "clone": 56, "open": 2, "truncate": 76, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85,
        "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "chown": 92, "mknod": 133, "openat": 257,
        "mkdirat": 258, "mknodat": 259, "fchownat": 260, "unlinkat": 263, "renameat": 264,
        "linkat": 265, "symlinkat": 266, "fchmodat": 268, "open_by_handle_at": 304, "renameat2": 316,
    },
    "aarch64": {
        "clone": 220, "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37,
        "renameat": 38, "truncate": 45, "fchmodat": 53, "fchownat": 54, "openat": 56,
        "open_by_handle_at": 265, "renameat2": 276,
    },
}  # fmt: skip


class SandboxError(RuntimeError):
    """A lock that this system should offer could not be put on."""


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def confine(memory_bytes: int, cpu_seconds: int) -> bool:
    """Put on the locks that hold while libraries load: limits, no network, no other program.

    Returns whether the system-call filter is on (False: this is not Linux). On Linux raises
    SandboxError where it cannot be.
    """
    _limit("RLIMIT_AS", memory_bytes)
    _limit("RLIMIT_CPU", cpu_seconds)
    _limit("RLIMIT_FSIZE", 0)
    _limit("RLIMIT_NOFILE", 64)
    _limit("RLIMIT_CORE", 0)
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise SandboxError(f"no_new_privs: {os.strerror(ctypes.get_errno())}")
    machine = _machine()
    _forbid(libc, machine, [*_NETWORK_AND_PROCESSES[machine].values(), *_NEW_CALLS.values()])
    return True


def seal() -> bool:
    """From here on no file can be opened, made, renamed or removed, and no thread or process started.

    What is open stays open. Returns whether the lock is on (False: this is not Linux).
    """
    if not sys.platform.startswith("linux"):
        return False
    machine = _machine()
    _forbid(ctypes.CDLL(None, use_errno=True), machine, [*_FILES_AND_FORKS[machine].values(), _CLONE3])
    return True


def _limit(name: str, value: int) -> None:
    """Set one resource limit, soft and hard; never above a harder limit that already holds."""
    kind = getattr(resource, name)
    _, hard = resource.getrlimit(kind)
    bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(kind, (bounded, bounded))
    except (ValueError, OSError) as error:
        # macOS refuses RLIMIT_AS; Linux has no excuse.
        if sys.platform.startswith("linux"):
            raise SandboxError(f"{name}: {error}") from error


def _machine() -> str:
    machine = platform.machine()
    if machine not in _AUDIT_ARCHITECTURE:
        raise SandboxError(f"no system-call filter for {machine}")
    return machine


def _forbid(libc: ctypes.CDLL, machine: str, numbers: list[int]) -> None:
    """Make these system calls fail with EPERM in all threads, for good."""
    instructions = _filter(machine, sorted(set(numbers)))
    program = _Program(len(instructions), b"".join(instructions))
    done = libc.syscall(
        _SECCOMP_CALL[machine],
        _SECCOMP_SET_MODE_FILTER,
        _SECCOMP_FILTER_FLAG_TSYNC,
        ctypes.byref(program),
    )
    if done != 0:
        raise SandboxError(f"seccomp: {os.strerror(ctypes.get_errno())}")


def _filter(machine: str, numbers: list[int]) -> list[bytes]:
    """A BPF program: another architecture → killed, a forbidden number → EPERM, else allowed."""
    last = len(numbers)
    instructions = [
        _instruction(_LOAD, _ARCHITECTURE_OFFSET),
        _instruction(_JUMP_EQUAL, _AUDIT_ARCHITECTURE[machine], if_true=1),
        _instruction(_RETURN, _RETURN_KILL),
        _instruction(_LOAD, _NUMBER_OFFSET),
        # x86_64's second table of numbers (x32) would walk around the list.
        _instruction(_JUMP_AT_LEAST, _X32_BIT, if_true=last + 1),
    ]
    for position, number in enumerate(numbers):
        instructions.append(_instruction(_JUMP_EQUAL, number, if_true=last - position))
    instructions.append(_instruction(_RETURN, _RETURN_ALLOW))
    instructions.append(_instruction(_RETURN, _RETURN_EPERM))
    return instructions


def _instruction(code: int, value: int, *, if_true: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, 0, value)
