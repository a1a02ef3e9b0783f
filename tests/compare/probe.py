"""Tries what a container should not be able to do, one by one, and prints a JSON object of name and answer.

Runs inside a container, by itself: nothing but the standard library. Every attempt is without effect where it is not
refused: its arguments are such that the kernel finds fault with them only after it has asked for permission.
The answer is `ok` or the name of the error; a filter or a lack of rights shows as EPERM, EACCES or ENOSYS.
"""

import ctypes
import errno
import json
import os
import platform
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

_X86, _ARM = "x86_64", "aarch64"
_NUMBERS = {
    _X86: {
        "ptrace": 101, "syslog": 103, "personality": 135, "ustat": 136, "sysfs": 139, "vhangup": 153,
        "modify_ldt": 154, "pivot_root": 155, "adjtimex": 159, "chroot": 161, "acct": 163, "settimeofday": 164,
        "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170,
        "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176, "quotactl": 179,
        "lookup_dcookie": 212, "clock_settime": 227, "mbind": 237, "set_mempolicy": 238, "get_mempolicy": 239,
        "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "migrate_pages": 256, "unshare": 272,
        "move_pages": 279, "perf_event_open": 298, "fanotify_init": 300, "open_by_handle_at": 304,
        "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310, "kcmp": 312, "finit_module": 313,
        "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
    },
    _ARM: {
        "ptrace": 117, "syslog": 116, "personality": 92, "vhangup": 58, "pivot_root": 41, "adjtimex": 171,
        "chroot": 51, "acct": 89, "settimeofday": 170, "mount": 40, "umount2": 39, "swapon": 224, "swapoff": 225,
        "reboot": 142, "sethostname": 161, "setdomainname": 162, "init_module": 105, "delete_module": 106,
        "quotactl": 60, "lookup_dcookie": 18, "clock_settime": 112, "mbind": 235, "set_mempolicy": 237,
        "get_mempolicy": 236, "kexec_load": 104, "add_key": 217, "request_key": 218, "keyctl": 219,
        "migrate_pages": 238, "unshare": 97, "move_pages": 239, "perf_event_open": 241, "fanotify_init": 262,
        "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270, "kcmp": 272,
        "finit_module": 273, "kexec_file_load": 294, "bpf": 280, "userfaultfd": 282,
    },
}  # fmt: skip
_COMMON = {
    "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "fspick": 433, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443,
    "set_mempolicy_home_node": 450,
}  # fmt: skip
"""Calls that have the same number everywhere."""

_BAD_POINTER = 1
_NAMESPACES = {
    "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000,
    "net": 0x40000000,
}  # fmt: skip
_READ = (
    "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats", "/proc/kmsg",
    "/proc/kallsyms", "/proc/interrupts", "/proc/scsi/scsi", "/proc/acpi/wakeup", "/sys/firmware", "/dev/mem",
    "/dev/kmsg", "/sys/devices/virtual/powercap", "/sys/kernel/debug", "/sys/kernel/security", "/dev/vda", "/dev/sda",
)  # fmt: skip
_WRITE = (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/swappiness", "/proc/sysrq-trigger",
    "/proc/sys/net/ipv4/ip_forward", "/sys/kernel/uevent_helper", "/sys/power/state", "/proc/self/oom_score_adj",
)  # fmt: skip


def _name_error(number: int) -> str:
    return errno.errorcode.get(number, str(number))


def _list_calls() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield each call with arguments that can do no harm."""
    plain = {
        "mount": (0, 0, 0, 0, 0), "umount2": (0, 0), "pivot_root": (0, 0), "swapon": (0, 0), "swapoff": (0,),
        "reboot": (0, 0, 0, 0), "sethostname": (_BAD_POINTER, 5), "setdomainname": (_BAD_POINTER, 5), "iopl": (3,),
        "ioperm": (0x80, 1, 1), "init_module": (0, 0, 0), "delete_module": (_BAD_POINTER, 0),
        "finit_module": (-1, 0, 0), "kexec_load": (0, 0, 0, 1 << 20), "kexec_file_load": (-1, -1, 0, 0, 1 << 20),
        "quotactl": (0x80000700, 0, 0, 0), "quotactl_fd": (-1, 0, 0, 0), "lookup_dcookie": (0, 0, 0),
        "acct": (_BAD_POINTER,), "settimeofday": (_BAD_POINTER, 0), "clock_settime": (0, _BAD_POINTER),
        "clock_adjtime": (0, _BAD_POINTER), "syslog": (3, _BAD_POINTER, 8), "add_key": (0, 0, 0, 0, 0),
        "request_key": (0, 0, 0, 0), "keyctl": (0, -3, 0), "bpf": (5, 0, 0), "perf_event_open": (0, 0, -1, -1, 0),
        "userfaultfd": (1 << 20,), "io_uring_setup": (1, 0), "fanotify_init": (0, 0), "open_by_handle_at": (-1, 0, 0),
        "kcmp": (1, 1, 0, 0, 0), "pidfd_getfd": (-1, 0, 0), "process_madvise": (-1, 0, 0, 0, 0), "setns": (-1, 0),
        "mbind": (0, 0, 0, 0, 0, 0), "set_mempolicy": (99, 0, 0), "get_mempolicy": (0, 0, 0, 0, 0),
        "set_mempolicy_home_node": (0, 0, 0, 0), "move_pages": (0, 0, 0, 0, 0, 0), "migrate_pages": (0, 0, 0, 0),
        "open_tree": (-1, 0, 0), "move_mount": (-1, 0, -1, 0, 0), "fsopen": (0, 0), "fsconfig": (-1, 0, 0, 0, 0),
        "fsmount": (-1, 0, 0), "fspick": (-1, 0, 0), "mount_setattr": (-1, 0, 0, 0, 0), "ustat": (0, 0),
        "sysfs": (3, 0), "vhangup": (),
    }  # fmt: skip
    yield from plain.items()


def _call(number: int, arguments: tuple[int, ...]) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments))
    return "ok" if result >= 0 else _name_error(ctypes.get_errno())


def _attempt(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return _name_error(error.errno or 0)
    return "ok"


def _in_child(act: Callable[[], str]) -> str:
    """Return what a child of its own comes to: what it does to itself is gone with it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, act().encode())
        os._exit(0)
    os.close(writer)
    answer = os.read(reader, 100).decode()
    _, status = os.waitpid(pid, 0)
    os.close(reader)
    return answer or f"signal {os.WTERMSIG(status)}"


def try_calls(numbers: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Try system calls."""
    for name, arguments in _list_calls():
        if name in numbers:
            yield f"call {name}", _in_child(partial(_call, numbers[name], arguments))
    for name, flag in _NAMESPACES.items():
        yield f"unshare {name}", _in_child(partial(_call, numbers["unshare"], (flag,)))
    for name, persona in (("READ_IMPLIES_EXEC", 0x400000), ("ADDR_NO_RANDOMIZE", 0x40000)):
        yield f"personality {name}", _in_child(partial(_call, numbers["personality"], (persona,)))


def try_sockets() -> Iterator[tuple[str, str]]:
    """Try kinds of sockets."""
    kinds = {
        "vsock": (40, socket.SOCK_STREAM, 0), "packet": (socket.AF_PACKET, socket.SOCK_RAW, 0),
        "raw": (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    }  # fmt: skip
    for name, (family, kind, protocol) in kinds.items():
        yield f"socket {name}", _attempt(partial(socket.socket, family, kind, protocol))


def try_files() -> Iterator[tuple[str, str]]:
    """Try to read what tells of the host, and to write what changes it; nothing is written, only opened."""
    for name in _READ:
        yield f"read {name}", _attempt(partial(_read, Path(name)))
    for name in (*_WRITE, "/sys/fs/cgroup/devices/devices.allow"):
        yield f"open to write {name}", _attempt(partial(_open, name, os.O_WRONLY))
    for name in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory"):
        yield f"make a cgroup in {name}", _attempt(partial(_make_directory, Path(name, "probe")))
    nodes = {"memory": (stat.S_IFCHR, 1, 1), "kmsg": (stat.S_IFCHR, 1, 11), "disk": (stat.S_IFBLK, 254, 0)}
    for name, (kind, major, minor) in nodes.items():
        yield f"open a node of {name}", _attempt(partial(_open_node, kind, os.makedev(major, minor)))


def _open(path: str, flags: int) -> None:
    os.close(os.open(path, flags | os.O_NONBLOCK))


def _read(path: Path) -> None:
    if path.is_dir():
        if not list(path.iterdir()):
            raise OSError(errno.ENOENT, "empty")
        return
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not os.read(fd, 64):
            raise OSError(errno.ENODATA, "empty")
    finally:
        os.close(fd)


def _make_directory(path: Path) -> None:
    path.mkdir()
    path.rmdir()


def _open_node(kind: int, device: int) -> None:
    path = Path("/tmp/probe-node")
    os.mknod(path, kind | 0o600, device)
    try:
        _open(str(path), os.O_RDONLY)
    finally:
        path.unlink()


def read_state() -> Iterator[tuple[str, str]]:
    """Tell what the process is granted from the start."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp"):
        yield f"state {name}", status[name].strip()
    yield "devices", " ".join(sorted(path.name for path in Path("/dev").iterdir() if path.exists()))
    yield "processes", str(sum(path.name.isdigit() for path in Path("/proc").iterdir()))
    for name in ("pid", "mnt", "uts", "ipc", "net", "cgroup"):
        own = str(Path(f"/proc/self/ns/{name}").readlink())
        yield f"own namespace {name}", str(os.environ.get(f"HOST_{name.upper()}") != own)


def main() -> int:
    """Print all answers; the exit code."""
    numbers = _NUMBERS[platform.machine()] | _COMMON
    answers = dict(read_state())
    Path("/tmp").mkdir(exist_ok=True)
    for attempts in (try_calls(numbers), try_sockets(), try_files()):
        answers.update(attempts)
    json.dump(answers, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
