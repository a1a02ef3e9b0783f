"""How a child of `probe_child` becomes a process of a container, in the order in which OCI runtimes do it.

What holds for `probe_child` holds here: few pages, no imports later.
"""

from __future__ import annotations

import binascii
import ctypes
import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_SIGKILL = 9
_CLONE_NEWNS, _CLONE_NEWCGROUP, _CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000
_CLONE_NEWIPC, CLONE_NEWPID, _CLONE_NEWNET = 0x08000000, 0x20000000, 0x40000000
_INSIDE = _CLONE_NEWNS | _CLONE_NEWCGROUP | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWNET
_PR_SET_PDEATHSIG, PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP = 1, 4, 8, 22
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 24, 38, 47
_PR_CAP_AMBIENT_RAISE, _SECCOMP_MODE_FILTER = 2, 2
_CAPABILITY_VERSION_3 = 0x20080522
LIBC = ctypes.CDLL(None, use_errno=True)


class Filter(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_void_p))


class _CapabilityHeader(ctypes.Structure):
    """struct __user_cap_header_struct of linux/capability.h."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def check_call(result: int, about: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{about}: {os.strerror(number)}")


class Context:
    """How a container's processes are set up, read once: a forked child pays for every page that it touches."""

    def __init__(self, path: str, filters: dict[str, Filter]) -> None:
        fields: dict[str, list[str]] = {}
        for item in os.fsdecode(_read(path)).split("\0")[:-1]:
            name, _, value = item.partition("=")
            fields.setdefault(name, []).append(value)
        numbers = {name: int(values[0]) for name, values in fields.items() if values[0].isdigit()}
        self.environment = dict(item.partition("=")[::2] for item in fields.get("environment", []))
        self._cgroup_paths = [_find_entry(each) for each in fields.get("cgroup", [])]
        self._oom_score_adj = fields["oom_score_adj"][0].encode()
        self._rlimits = []
        for limit in fields.get("rlimit", []):
            number, soft, hard = limit.split()
            self._rlimits.append((int(number), (int(soft), int(hard))))
        self._directory = fields["directory"][0]
        self._dropped = [n for n in range(numbers["last_capability"] + 1) if not numbers["bounding"] >> n & 1]
        sets = [numbers[name] for name in ("effective", "permitted", "inheritable")]
        words = (*(each & 0xFFFFFFFF for each in sets), *(each >> 32 for each in sets))
        self._capabilities = (ctypes.c_uint32 * 6)(*words)
        self._ambient = [n for n in range(64) if numbers["ambient"] >> n & 1]
        self._no_new_privileges = bool(numbers["no_new_privileges"])
        self._filter = _make_filter(fields["filter"][0], filters)
        self._umask = numbers["umask"]
        self._uid, self._gid = numbers["uid"], numbers["gid"]
        self._groups = [int(group) for group in fields.get("group", [])]

    def enter(self, container_fd: int) -> None:
        """Make the calling process, which is in the pid namespace already, one of the container."""
        os.setsid()
        for path in self._cgroup_paths:
            _write(path, b"0")
        _write("/proc/self/oom_score_adj", self._oom_score_adj)
        for number, limits in self._rlimits:
            resource.setrlimit(number, limits)
        check_call(LIBC.setns(container_fd, _INSIDE), "namespaces")
        os.chdir(self._directory)

    def confine(self) -> None:
        """Give up what the container's processes don't have.

        The filter comes before the capabilities: without them only no_new_privs would allow it.
        """
        for number in self._dropped:
            check_call(LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "capabilities")
        if self._no_new_privileges:
            check_call(LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        os.umask(self._umask)
        if self._filter is not None:
            pointer = ctypes.byref(self._filter)
            check_call(LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, pointer, 0, 0), "seccomp filter")
        check_call(LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "keepcaps")
        os.setgroups(self._groups)
        os.setresgid(self._gid, self._gid, self._gid)
        os.setresuid(self._uid, self._uid, self._uid)
        header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
        check_call(LIBC.capset(ctypes.byref(header), self._capabilities), "capabilities")
        for number in self._ambient:
            check_call(LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0), "capabilities")
        check_call(LIBC.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "pdeathsig")


def _find_entry(cgroup: str) -> str:
    """Return the file that moves a process into a cgroup.

    In version 1 that is the one for single threads: while a whole process is moved, the kernel lets no process of the host
    begin or end, and waits until every processor knows (cgroup_threadgroup_rwsem).
    """
    path = f"{cgroup}/tasks"
    try:
        os.stat(path)
    except FileNotFoundError:
        return f"{cgroup}/cgroup.procs"
    return path


def _make_filter(text: str, known: dict[str, Filter]) -> Filter | None:
    """Return the seccomp filter, which most containers have in common."""
    if not text:
        return None
    if text not in known:
        program = binascii.a2b_base64(text)
        described = Filter(len(program) // 8)
        buffer = ctypes.create_string_buffer(program, len(program))
        described.program = ctypes.cast(buffer, ctypes.c_void_p)
        known[text] = described
    return known[text]


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    text = b""
    while data := os.read(fd, 1 << 20):
        text += data
    os.close(fd)
    return text


def _write(path: str, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, text)
    os.close(fd)


def _execute(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    """Become a program, looked for in the container's PATH; OSError as execve(2).

    os.execvpe would import a module to do that, from where the container has its own.
    """
    name = arguments[0]
    if "/" in name:
        os.execve(name, arguments, environment)
    denied: OSError | None = None
    for directory in environment.get("PATH", "").split(":"):
        try:
            os.execve(f"{directory or '.'}/{name}", arguments, environment)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            denied = error
    raise denied or FileNotFoundError(name)


def run_check(context: Context, arguments: list[str], container_fd: int, fds: tuple[int, int]) -> NoReturn:
    """Become the check, in the child; what goes wrong before is printed, with the exit code of shells for it."""
    code = 126
    null_fd, output_fd = fds
    try:
        os.dup2(null_fd, 0)
        os.dup2(output_fd, 1)
        os.dup2(output_fd, 2)
        context.enter(container_fd)
        context.confine()
        _execute(arguments, context.environment)
    except FileNotFoundError:
        code = 127
        os.write(2, os.fsencode(f"{arguments[0]}: executable not found in the container"))
    except (OSError, ValueError) as error:
        os.write(2, os.fsencode(f"{arguments[0]}: {error}"))
    finally:
        os._exit(code)
