"""Runs health checks in containers: a small program of its own, `python -I -S probe_child.py DESCRIPTOR`.

Starting a program in a container by the OCI runtime costs several times what most checks cost themselves. This process
is small, so that forking it is cheap, and its children enter the container by themselves: namespaces by the pidfd of the
container's first process, cgroups, user, capabilities, seccomp filter, limits; in the order in which runtimes do it.

Each message on the packet socket DESCRIPTOR asks for one check; its fields end with NUL bytes: a number, the most seconds,
pid and start time of the container's first process, the path of the file that tells how its processes are set up, the
program and its arguments. A number alone kills that check. The answer to each is the number, its exit code, and what it
printed. All checks end with the socket.

Nothing of hold is imported, and of the standard library only what the interpreter has loaded already or what is small:
every page that is touched is paid for with each fork. (With json, socket and typing a check costs a fifth more.) Children
must import nothing at all: they would find it in the container.
"""

from __future__ import annotations

import binascii
import ctypes
import gc
import os
import resource
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

MOST_OUTPUT_BYTES = 4096
MOST_MESSAGE_BYTES = 1 << 18
MOST_CONTEXTS = 4096
SHORT_S = 0.05
LATE, GONE = "late", "gone"
"""In the place of an exit code: it took too long; the container's first process is not there any more."""

_SIGKILL, _SIGPIPE, _SIGXFSZ = 9, 13, 25
_OFF = False
_CLONE_NEWNS, _CLONE_NEWCGROUP, _CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000
_CLONE_NEWIPC, _CLONE_NEWPID, _CLONE_NEWNET = 0x08000000, 0x20000000, 0x40000000
_INSIDE = _CLONE_NEWNS | _CLONE_NEWCGROUP | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWNET
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP = 1, 4, 8, 22
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 24, 38, 47
_PR_CAP_AMBIENT_RAISE, _SECCOMP_MODE_FILTER = 2, 2
_CAPABILITY_VERSION_3 = 0x20080522
_KEYCTL_NUMBERS = {"x86_64": 250, "aarch64": 219}
_KEYCTL_JOIN_SESSION_KEYRING = 1

LIBC = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_void_p))


class _CapabilityHeader(ctypes.Structure):
    """struct __user_cap_header_struct of linux/capability.h."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def _check(result: int, about: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{about}: {os.strerror(number)}")


class Running:
    """A check that goes on."""

    def __init__(self, identity: str, pid: int, output_fd: int, deadline: float) -> None:
        self.identity = identity
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.output_fd = output_fd
        self.output = bytearray()
        self.deadline = deadline
        self.late = False
        self.is_read = False
        self.drained_from = time.monotonic() + SHORT_S
        """When its output has to be read while it runs; what a short check prints waits in the pipe."""

    def kill(self) -> None:
        """Send SIGKILL to the check and what it started, as far as that is in its process group."""
        try:
            os.killpg(self.pid, _SIGKILL)
        except ProcessLookupError:
            os.kill(self.pid, _SIGKILL)  # not waited for yet, so the number is still its own

    def read(self) -> bool:
        """Take what was printed; False at the end of it."""
        try:
            data = os.read(self.output_fd, 65536)
        except BlockingIOError:
            return True
        room = MOST_OUTPUT_BYTES - len(self.output)
        self.output += data[: max(0, room)]
        return bool(data)

    def read_more(self) -> bool:
        """Take what lies in the pipe; False when that was all."""
        before = len(self.output)
        return self.read() and MOST_OUTPUT_BYTES > len(self.output) > before

    def close(self) -> None:
        os.close(self.pidfd)
        os.close(self.output_fd)


class Prober:
    """Serves one socket."""

    def __init__(self, door_fd: int) -> None:
        self._door_fd = door_fd
        self._poll = select.epoll()
        self._poll.register(door_fd, select.EPOLLIN)
        self._running: dict[str, Running] = {}
        self._by_fd: dict[int, Running] = {}
        self._contexts: dict[str, tuple[int, Context]] = {}
        self._filters: dict[str, _Filter] = {}
        self._own_pids_fd = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._null_fd = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)

    def serve(self) -> None:
        """Serve until the other end of the socket is closed."""
        while True:
            for fd, _ in self._poll.poll(self._find_wait_s()):
                if fd == self._door_fd:
                    if not self._take():
                        return
                elif fd in self._by_fd:
                    self._go_on(self._by_fd[fd], fd)
            now = time.monotonic()
            for running in list(self._running.values()):
                self._watch_over(running, now)

    def end(self) -> None:
        """Kill every check."""
        for running in self._running.values():
            running.kill()

    def _watch_over(self, running: Running, now: float) -> None:
        if now >= running.drained_from and running.output_fd not in self._by_fd and not running.is_read:
            self._by_fd[running.output_fd] = running
            self._poll.register(running.output_fd, select.EPOLLIN)
        if now >= running.deadline and not running.late:
            running.late = True
            running.kill()

    def _find_wait_s(self) -> float:
        now = time.monotonic()
        times = [running.deadline for running in self._running.values() if not running.late]
        times += [each.drained_from for each in self._running.values() if each.drained_from > now]
        return max(0.0, min(times) - now) if times else -1

    def _take(self) -> bool:
        data = os.read(self._door_fd, MOST_MESSAGE_BYTES)
        if not data:
            return False
        identity, *fields = os.fsdecode(data).split("\0")[:-1]
        if not fields:
            if identity in self._running:
                self._running[identity].kill()
            return True
        timeout, pid, birth, path, *arguments = fields
        try:
            container_fd = _open_process(int(pid), birth)
        except (FileNotFoundError, ProcessLookupError):
            self._answer(identity, GONE, "")
            return True
        try:
            running = self._begin(identity, self._find_context(path), arguments, container_fd)
            running.deadline = time.monotonic() + float(timeout)
        except OSError as error:
            self._answer(identity, "126", f"{arguments[0]}: {error}")
        finally:
            os.close(container_fd)
        return True

    def _find_context(self, path: str) -> Context:
        """Return the context of a container, read again when the file is another one."""
        made_at_ns = os.stat(path).st_mtime_ns
        known = self._contexts.get(path)
        if known is not None and known[0] == made_at_ns:
            return known[1]
        if len(self._contexts) >= MOST_CONTEXTS:
            self._contexts.clear()
        context = Context(path, self._filters)
        self._contexts[path] = (made_at_ns, context)
        return context

    def _begin(self, identity: str, context: Context, arguments: list[str], container_fd: int) -> Running:
        read_fd, write_fd = os.pipe()
        os.set_blocking(read_fd, _OFF)
        # Only children of the process that enters a pid namespace are in it.
        try:
            _check(LIBC.setns(container_fd, _CLONE_NEWPID), "pid namespace")
            pid = os.fork()
            if pid == 0:
                _run(context, arguments, container_fd, (self._null_fd, write_fd))
        except OSError:
            os.close(read_fd)
            raise
        finally:
            LIBC.setns(self._own_pids_fd, _CLONE_NEWPID)
            os.close(write_fd)
        running = Running(identity, pid, read_fd, float("inf"))
        self._running[identity] = self._by_fd[running.pidfd] = running
        self._poll.register(running.pidfd, select.EPOLLIN)
        return running

    def _go_on(self, running: Running, fd: int) -> None:
        if fd == running.output_fd:
            if not running.read():
                self._poll.unregister(fd)
                del self._by_fd[fd]
                running.is_read = True
            return
        _, status = os.waitpid(running.pid, 0)
        while not running.is_read and running.read_more():
            pass
        del self._running[running.identity]
        for each in (running.pidfd, running.output_fd):
            if self._by_fd.pop(each, None) is not None:
                self._poll.unregister(each)
        running.close()
        code = os.waitstatus_to_exitcode(status)
        word = LATE if running.late else str(128 - code if code < 0 else code)
        self._answer(running.identity, word, os.fsdecode(bytes(running.output)))

    def _answer(self, identity: str, code: str, output: str) -> None:
        os.write(self._door_fd, os.fsencode(f"{identity}\0{code}\0{output}"))


def _open_process(pid: int, birth: str) -> int:
    """Return a pidfd; ProcessLookupError or FileNotFoundError when the pid is not that of the process born then."""
    pidfd = os.pidfd_open(pid)
    fd = -1
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        found = os.read(fd, 4096).rpartition(b")")[2].split()[19].decode()
        if found != birth:
            raise ProcessLookupError
    except OSError:
        os.close(pidfd)
        raise
    finally:
        if fd >= 0:
            os.close(fd)
    return pidfd


class Context:
    """How a container's processes are set up, read once: a forked child pays for every page that it touches."""

    def __init__(self, path: str, filters: dict[str, _Filter]) -> None:
        fields: dict[str, list[str]] = {}
        for item in os.fsdecode(_read(path)).split("\0")[:-1]:
            name, _, value = item.partition("=")
            fields.setdefault(name, []).append(value)
        numbers = {name: int(values[0]) for name, values in fields.items() if values[0].isdigit()}
        self.environment = dict(item.partition("=")[::2] for item in fields.get("environment", []))
        self._cgroup_paths = [f"{each}/cgroup.procs" for each in fields.get("cgroup", [])]
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
        _check(LIBC.setns(container_fd, _INSIDE), "namespaces")
        os.chdir(self._directory)

    def confine(self) -> None:
        """Give up what the container's processes don't have.

        The filter comes before the capabilities: without them only no_new_privs would allow it.
        """
        for number in self._dropped:
            _check(LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "capabilities")
        if self._no_new_privileges:
            _check(LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        os.umask(self._umask)
        if self._filter is not None:
            pointer = ctypes.byref(self._filter)
            _check(LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, pointer, 0, 0), "seccomp filter")
        _check(LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "keepcaps")
        os.setgroups(self._groups)
        os.setresgid(self._gid, self._gid, self._gid)
        os.setresuid(self._uid, self._uid, self._uid)
        header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
        _check(LIBC.capset(ctypes.byref(header), self._capabilities), "capabilities")
        for number in self._ambient:
            _check(LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0), "capabilities")
        _check(LIBC.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "pdeathsig")


def _make_filter(text: str, known: dict[str, _Filter]) -> _Filter | None:
    """Return the seccomp filter, which most containers have in common."""
    if not text:
        return None
    if text not in known:
        program = binascii.a2b_base64(text)
        described = _Filter(len(program) // 8)
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


def _run(context: Context, arguments: list[str], container_fd: int, fds: tuple[int, int]) -> NoReturn:
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


def main() -> None:
    """Serve the socket whose descriptor is the argument."""
    door_fd = int(sys.argv[1])
    os.set_inheritable(door_fd, _OFF)
    os.setsid()  # a terminal's signals are meant for the daemon
    LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    keyctl = _KEYCTL_NUMBERS.get(os.uname().machine)
    if keyctl is not None:  # the daemon's keys are not for containers (keyrings(7))
        LIBC.syscall(keyctl, _KEYCTL_JOIN_SESSION_KEYRING, None)
    for number in (_SIGPIPE, _SIGXFSZ):  # ignored by Python, which children would inherit; None is SIG_DFL
        LIBC.signal(number, None)
    gc.freeze()
    gc.disable()
    prober = Prober(door_fd)
    try:
        prober.serve()
    finally:
        prober.end()


if __name__ == "__main__":
    main()
