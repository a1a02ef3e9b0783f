"""Runs health checks in containers: the main program of a small process (see `probe_helper`, which starts it).

Starting a program in a container by the OCI runtime costs several times what most checks cost themselves. Here a thread
of this process enters the container and starts the program (`probe_launch`), or a child does, where a thread can't
(`probe_entry`); this process is small, so that forking it is cheap.

Each message on the packet socket whose descriptor is its argument asks for one check; its fields end with NUL bytes: a
number, the most seconds, pid and start time of the container's first process, the path of the file that tells how its
processes are set up, the program and its arguments. A number alone kills that check. The answer to each is the number, its
exit code or one of the words below, and what it printed. All checks end with the socket.

Of the standard library only that is imported which the interpreter has loaded already or which is small: every page that
is touched is paid for with each fork. (With json, socket and typing a check costs a fifth more.) Children import nothing at
all, and can't: they would find it in the container.
"""

from __future__ import annotations

import gc
import os
import select
import sys
import time

from controller.kernel.health.probe_entry import (
    CLONE_NEWPID,
    LIBC,
    PR_SET_DUMPABLE,
    Context,
    Filter,
    check_call,
    run_check,
    tell_failure,
)
from controller.kernel.health.probe_launch import MOST_LAUNCHED, Launch, Launcher

MOST_OUTPUT_BYTES = 4096
MOST_MESSAGE_BYTES = 1 << 18
MOST_CONTEXTS = 4096
SHORT_S = 0.05
LATE, GONE, BEGUN = "late", "gone", "begun"
"""In the place of an exit code: it took too long; the container's first process is not there any more; it goes on, as the
process whose number is in the place of the output, which has to be ended by others if this process dies.
"""

_SIGKILL, _SIGPIPE, _SIGXFSZ = 9, 13, 25
_OFF = False
_KEYCTL_NUMBERS = {"x86_64": 250, "aarch64": 219}
_KEYCTL_JOIN_SESSION_KEYRING = 1


class Running:
    """A check that goes on; without pid until its program runs."""

    def __init__(self, identity: str, name: str, output_fd: int, deadline: float) -> None:
        self.identity = identity
        self.name = name
        self.pid = 0
        self.pidfd = -1
        self.launch: Launch | None = None
        self.output_fd = output_fd
        self.output = bytearray()
        self.deadline = deadline
        self.late = False
        self.is_read = self.is_told = False
        self._is_given_up = False
        self.drained_from = time.monotonic() + SHORT_S
        """When its output has to be read while it runs; what a short check prints waits in the pipe."""

    def begin(self, pid: int) -> None:
        """Go on with the program that runs."""
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        if self._is_given_up:
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the check and what it started, as far as that is in its process group; at once when it begins."""
        self._is_given_up = True
        if not self.pid:
            return
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
        os.close(self.output_fd)
        if self.pidfd >= 0:
            os.close(self.pidfd)


class Prober:
    """Serves one socket."""

    def __init__(self, door_fd: int) -> None:
        self._door_fd = door_fd
        self._poll = select.epoll()
        self._poll.register(door_fd, select.EPOLLIN)
        self._running: dict[str, Running] = {}
        self._by_fd: dict[int, Running] = {}
        self._contexts: dict[str, tuple[int, Context]] = {}
        self._filters: dict[str, Filter] = {}
        self._launcher = Launcher()
        self._poll.register(self._launcher.bell_fd, select.EPOLLIN)
        self._own_pids_fd = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._null_fd = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)

    def serve(self) -> None:
        """Serve until the other end of the socket is closed."""
        while True:
            for fd, _ in self._poll.poll(self._find_wait_s()):
                if fd == self._door_fd:
                    if not self._take():
                        return
                elif fd == self._launcher.bell_fd:
                    self._collect()
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
        if now >= running.drained_from and running.pid and not running.is_told:
            running.is_told = True
            self._answer(running.identity, BEGUN, str(running.pid))
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
            context = self._find_context(path)
            read_fd, write_fd = os.pipe()
        except OSError as error:
            os.close(container_fd)
            self._answer(identity, "126", f"{arguments[0]}: {error}")
            return True
        os.set_blocking(read_fd, _OFF)
        running = Running(identity, arguments[0], read_fd, time.monotonic() + float(timeout))
        self._running[identity] = running
        fds = (container_fd, self._null_fd, write_fd)
        if len(self._running) <= MOST_LAUNCHED and self._launcher.suits(context):
            running.launch = self._launcher.launch(context, arguments, fds)
            if running.launch.is_done():
                self._watch(running, running.launch.pid, running.launch.error)
        else:
            self._fork(running, context, arguments, fds)
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

    def _fork(
        self, running: Running, context: Context, arguments: list[str], fds: tuple[int, int, int]
    ) -> None:
        container_fd, null_fd, write_fd = fds
        pid, failure = 0, None
        # Only children of the process that enters a pid namespace are in it.
        try:
            check_call(LIBC.setns(container_fd, CLONE_NEWPID), "pid namespace")
            pid = os.fork()
            if pid == 0:
                run_check(context, arguments, container_fd, (null_fd, write_fd))
        except OSError as error:
            failure = error
        finally:
            LIBC.setns(self._own_pids_fd, CLONE_NEWPID)
            os.close(write_fd)
            os.close(container_fd)
        self._watch(running, pid, failure)

    def _collect(self) -> None:
        """Go on with launches that took their time."""
        os.eventfd_read(self._launcher.bell_fd)
        for running in list(self._running.values()):
            launch = running.launch
            if not running.pid and launch is not None and launch.is_done():
                self._watch(running, launch.pid, launch.error)

    def _watch(self, running: Running, pid: int, error: OSError | None) -> None:
        """Go on with a program that runs, or tell why it does not."""
        if pid:
            running.begin(pid)
            self._by_fd[running.pidfd] = running
            self._poll.register(running.pidfd, select.EPOLLIN)
            return
        self._forget(running)
        code, words = tell_failure(running.name, error or OSError("could not be started"))
        self._answer(running.identity, str(code), words)

    def _forget(self, running: Running) -> None:
        del self._running[running.identity]
        for each in (running.pidfd, running.output_fd):
            if self._by_fd.pop(each, None) is not None:
                self._poll.unregister(each)
        running.close()

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
        self._forget(running)
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


def main(door_fd: int, program_fd: int) -> None:
    """Serve a socket until its other end is closed; the other descriptor is that of the interpreter's file."""
    os.close(program_fd)
    os.set_inheritable(door_fd, _OFF)
    os.setsid()  # a terminal's signals are meant for the daemon
    LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    keyctl = _KEYCTL_NUMBERS.get(os.uname().machine)
    if keyctl is not None:  # the daemon's keys are not for containers (keyrings(7))
        LIBC.syscall(keyctl, _KEYCTL_JOIN_SESSION_KEYRING, None)
    for number in (_SIGPIPE, _SIGXFSZ):  # ignored by Python, which children would inherit; None is SIG_DFL
        LIBC.signal(number, None)
    sys.path.clear()
    gc.freeze()
    gc.disable()
    prober = Prober(door_fd)
    try:
        prober.serve()
    finally:
        prober.end()
