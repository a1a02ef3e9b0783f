"""The one door to other programs: `Runner()`; no arguments are needed.

What is run is logged at debug as a command that a person can paste. Programs see a small environment, not ours, and
no descriptors but those given. Input and output go through memory files, so nothing has to be pumped while they run.
"""

import asyncio
import errno
import logging
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from controller.errors import Exhausted, Refused, Unavailable, Unsupported

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 60.0
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGES = {
    "iptables-restore": "iptables",
    "iptables-save": "iptables",
    "ip6tables-restore": "iptables",
    "ip": "iproute2",
    "cp": "coreutils",
    "journalctl": "systemd",
}
_EXHAUSTED = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What a program that has ended left: its exit code (-n after signal n) and its output as text."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stdio:
    """Descriptors for a program; None is /dev/null. `extra_fds` are kept open under their numbers.

    With `terminal`, which is its standard input, the program leads a session of its own, without controlling terminal.
    """

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    extra_fds: tuple[int, ...] = ()
    terminal: bool = False


class Child:
    """A running program, to be waited for exactly once by `wait`."""

    def __init__(self, process: "subprocess.Popen[bytes]", pidfd: int) -> None:
        self._process = process
        self._pidfd = pidfd

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        """Return the exit code, -n after signal n; kills the program when cancelled."""
        ended = False
        try:
            await wait_readable(self._pidfd)
            ended = True
        finally:
            if not ended:
                self._process.kill()
            code = self._process.wait()
            os.close(self._pidfd)
        return code

    def kill(self) -> None:
        """Send SIGKILL; `wait` still has to be called."""
        self._process.kill()

    def signal(self, number: int) -> None:
        """Send a signal; nothing when the program has ended."""
        self._process.send_signal(number)


async def wait_readable(fd: int) -> None:
    """Return when `fd` can be read; for a pidfd that is the end of its process."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(fd)


class Runner:
    """Runs programs."""

    def find(self, program: str) -> str:
        """Return the absolute path of a program; Unsupported names the package that has it."""
        path = program if program.startswith("/") else shutil.which(program, path=_search_path())
        if path is not None and not os.access(path, os.X_OK):
            raise Unsupported(f"{path} can't be executed on this host: name a program that is there")
        if path is None:
            package = _PACKAGES.get(program, program)
            raise Unsupported(f"{program} is missing on this host: install it (apt install {package})")
        return path

    def spawn(
        self,
        *arguments: str,
        stdio: Stdio,
        environment: Mapping[str, str] | None = None,
        directory_path: str | None = None,
        executable_path: str | None = None,
    ) -> Child:
        """Start a program, in the daemon's directory if in no other, from another file than it is called by if one is given.

        Unsupported when it is missing, Exhausted when the host has no room for it.
        """
        path = self.find(arguments[0])
        logger.debug("run", extra={"command": shlex.join(arguments)})
        try:
            process = subprocess.Popen(
                [path, *arguments[1:]],
                executable=executable_path,
                stdin=stdio.stdin if stdio.stdin is not None else subprocess.DEVNULL,
                stdout=stdio.stdout if stdio.stdout is not None else subprocess.DEVNULL,
                stderr=stdio.stderr if stdio.stderr is not None else subprocess.DEVNULL,
                env=_scrubbed_environment() | dict(environment or {}),
                cwd=directory_path,
                pass_fds=stdio.extra_fds,
                start_new_session=stdio.terminal,
            )
        except OSError as exc:
            if exc.errno in _EXHAUSTED:
                raise Exhausted(f"{arguments[0]} can't be started: {exc.strerror}") from exc
            raise Refused(f"{arguments[0]} can't be started: {exc.strerror}") from exc
        return Child(process, os.pidfd_open(process.pid))

    async def capture(
        self, *arguments: str, stdin: str = "", timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> Completed:
        """Run a program to its end, whatever its exit code. Unavailable when it takes too long."""
        files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
        try:
            os.write(files[0], stdin.encode())
            os.lseek(files[0], 0, os.SEEK_SET)
            child = self.spawn(*arguments, stdio=Stdio(stdin=files[0], stdout=files[1], stderr=files[2]))
            try:
                async with asyncio.timeout(timeout_s):
                    code = await child.wait()
            except TimeoutError as exc:
                raise Unavailable(f"{arguments[0]} did not end within {timeout_s:.0f} s") from exc
            return Completed(code=code, stdout=_read_all(files[1]), stderr=_read_all(files[2]))
        finally:
            for fd in files:
                os.close(fd)

    async def run(self, *arguments: str, stdin: str = "", timeout_s: float = DEFAULT_TIMEOUT_S) -> str:
        """Run a program and return its output; Refused with the last line it complained when it fails."""
        completed = await self.capture(*arguments, stdin=stdin, timeout_s=timeout_s)
        if completed.code != 0:
            lines = completed.stderr.strip().splitlines() or [describe_code(completed.code)]
            raise Refused(f"{arguments[0]}: {lines[-1].strip()}")
        return completed.stdout


def describe_code(code: int) -> str:
    """Return words for an exit code as `Child.wait` returns it."""
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _read_all(fd: int) -> str:
    size = os.fstat(fd).st_size
    return os.pread(fd, size, 0).decode(errors="replace")


def _search_path() -> str:
    return f"{os.environ.get('PATH', '')}:{_SEARCH_PATH}"


def _scrubbed_environment() -> dict[str, str]:
    return {"PATH": _search_path(), "LC_ALL": "C.UTF-8"}
