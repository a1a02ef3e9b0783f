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
INSIDE = _CLONE_NEWNS | _CLONE_NEWCGROUP | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWNET
_PR_SET_PDEATHSIG, PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP = 1, 4, 8, 22
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 24, 38, 47
_PR_CAP_AMBIENT_RAISE, _SECCOMP_MODE_FILTER = 2, 2
_CAPABILITY_VERSION_3 = 0x20080522
_SETGROUPS, _SETRESGID, _SETRESUID = {"aarch64": (159, 149, 147)}.get(os.uname().machine, (116, 119, 117))
"""System calls for the calling thread alone; those of libc change all threads (nptl(7)). The numbers are x86_64's."""
OOM_SCORE_PATH = "/proc/self/oom_score_adj"
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
        for item in os.fsdecode(read(path)).split("\0")[:-1]:
            name, _, value = item.partition("=")
            fields.setdefault(name, []).append(value)
        numbers = {name: int(values[0]) for name, values in fields.items() if values[0].isdigit()}
        self.environment = dict(item.partition("=")[::2] for item in fields.get("environment", []))
        self.cgroup_paths = [_find_entry(each) for each in fields.get("cgroup", [])]
        self.oom_score_adj = fields["oom_score_adj"][0].encode()
        self.rlimits: dict[int, tuple[int, int]] = {}
        for limit in fields.get("rlimit", []):
            number, soft, hard = limit.split()
            self.rlimits[int(number)] = (int(soft), int(hard))
        self.has_known_filter = bool(numbers["known_filter"])
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
        groups = [int(group) for group in fields.get("group", [])]
        self._groups = (ctypes.c_uint32 * len(groups))(*groups)

    def enter(self, container_fd: int) -> None:
        """Make the calling process, which is in the pid namespace already, one of the container."""
        os.setsid()
        for path in self.cgroup_paths:
            write(path, b"0")
        write(OOM_SCORE_PATH, self.oom_score_adj)
        for number, limits in self.rlimits.items():
            resource.setrlimit(number, limits)
        self.change_namespaces(container_fd, INSIDE)

    def change_namespaces(self, container_fd: int, kinds: int) -> None:
        """Bring the calling thread into namespaces of the container, to its working directory."""
        check_call(LIBC.setns(container_fd, kinds), "namespaces")
        os.chdir(self._directory)

    def confine(self) -> None:
        """Give up what the container's processes don't have, for the calling thread.

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
        check_call(LIBC.syscall(_SETGROUPS, len(self._groups), self._groups), "groups")
        check_call(LIBC.syscall(_SETRESGID, self._gid, self._gid, self._gid), "group")
        check_call(LIBC.syscall(_SETRESUID, self._uid, self._uid, self._uid), "user")
        header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
        check_call(LIBC.capset(ctypes.byref(header), self._capabilities), "capabilities")
        for number in self._ambient:
            check_call(LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0), "capabilities")


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


def read(path: str) -> bytes:
    """Return a small file's content; OSError as read(2)."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    text = b""
    while data := os.read(fd, 1 << 20):
        text += data
    os.close(fd)
    return text


def write(path: str, text: bytes) -> None:
    """Write to a file of the kernel's, in one piece; OSError as write(2)."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, text)
    os.close(fd)


def find_programs(name: str, environment: dict[str, str]) -> list[str]:
    """Return where a program may be, by the PATH of the container.

    os.execvpe would import a module to do that, from where the container has its own.
    """
    if "/" in name:
        return [name]
    return [f"{directory or '.'}/{name}" for directory in environment.get("PATH", "").split(":")]


def _execute(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    """Become a program; OSError as execve(2)."""
    denied: OSError | None = None
    for path in find_programs(arguments[0], environment):
        try:
            os.execve(path, arguments, environment)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            denied = error
    raise denied or FileNotFoundError(arguments[0])


def tell_failure(name: str, error: Exception) -> tuple[int, str]:
    """Return the exit code of shells, and words, for a program that could not be run."""
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return 127, f"{name}: executable not found in the container"
    return 126, f"{name}: {error}"


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
        check_call(LIBC.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "pdeathsig")
        _execute(arguments, context.environment)
    except (OSError, ValueError) as error:
        code, words = tell_failure(arguments[0], error)
        os.write(2, os.fsencode(words))
    finally:
        os._exit(code)
