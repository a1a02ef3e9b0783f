"""Further processes in running containers, by the runtime's `exec`: what it is told, and the session around it."""

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from controller.kernel.processes.consoles import ConsoleSocket
from controller.kernel.subprocesses import Child, Stdio, wait_readable
from controller.kernel.writable import wait_writable
from controller.model.facts import AccountFiles
from controller.plan.oci.users import resolve_user
from controller.ports import ExecWant, Stream

_CHUNK_BYTES = 65536
_FIRST_SIZE = (24, 80)
"""Rows and columns until the client tells its own."""


def render_exec_process(config: dict[str, Any], want: ExecWant, accounts: AccountFiles) -> dict[str, Any]:
    """Return the process (OCI `process`) of an exec, from that of the container."""
    process: dict[str, Any] = dict(config["process"])
    variables = dict(item.partition("=")[::2] for item in process["env"])
    if want.user:
        user = resolve_user(want.user, accounts)
        process["user"] = {
            "uid": user.uid,
            "gid": user.gid,
            "additionalGids": user.list_groups(),
            "umask": 0o022,
        }
        variables["HOME"] = user.home
    if want.tty:
        variables.setdefault("TERM", "xterm")
    variables |= dict(want.environment)
    bounding = process["capabilities"]["bounding"]
    allowed = list(_every_capability()) if want.privileged else bounding
    effective = allowed if process["user"]["uid"] == 0 or want.privileged else []
    return process | {
        "args": list(want.arguments),
        "env": [f"{name}={value}" for name, value in variables.items()],
        "cwd": want.working_dir or process["cwd"],
        "terminal": want.tty,
        "capabilities": {
            "bounding": allowed,
            "effective": effective,
            "permitted": effective,
            "inheritable": [],
            "ambient": [],
        },
    }


def _every_capability() -> tuple[str, ...]:
    """Return what the daemon itself has: nobody can give more."""
    lines = Path("/proc/self/status").read_text().splitlines()
    permitted = next(int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:"))
    return tuple(f"CAP_{name}" for bit, name in enumerate(_CAPABILITY_NAMES) if permitted >> bit & 1)


_CAPABILITY_NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip
"""By their numbers, from 0 (linux/capability.h)."""


class ExecPipes:
    """The descriptors between a session and an exec's process: ours, and the other ends for the child."""

    def __init__(self, *, tty: bool, stdin: bool, handed_over: bool = False) -> None:
        """With `handed_over` there are none until the terminal is adopted."""
        self.child_fds: list[int] = []
        self.input_fd: int | None = None
        self.outputs: dict[int, Stream] = {}
        if handed_over:
            self.stdio = Stdio()
            return
        if tty:
            master, slave = os.openpty()
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *_FIRST_SIZE, 0, 0))
            self.child_fds.append(slave)
            self.stdio = Stdio(stdin=slave, stdout=slave, stderr=slave, terminal=True)
            self.outputs[master] = Stream.STDOUT
            self.input_fd = master
            os.set_blocking(master, False)
            return
        ends: list[int] = []
        for stream in (Stream.STDOUT, Stream.STDERR):
            read_fd, write_fd = os.pipe()
            os.set_blocking(read_fd, False)
            self.outputs[read_fd] = stream
            ends.append(write_fd)
        stdin_fd: int | None = None
        if stdin:
            stdin_fd, self.input_fd = os.pipe()
            os.set_blocking(self.input_fd, False)
            self.child_fds.append(stdin_fd)
        self.child_fds += ends
        self.stdio = Stdio(stdin=stdin_fd, stdout=ends[0], stderr=ends[1])

    def adopt(self, terminal_fd: int) -> None:
        """Take over the program's terminal."""
        fcntl.ioctl(terminal_fd, termios.TIOCSWINSZ, struct.pack("HHHH", *_FIRST_SIZE, 0, 0))
        self.outputs[terminal_fd] = Stream.STDOUT
        self.input_fd = terminal_fd

    def close_child_ends(self) -> None:
        """Close what the child has by now."""
        for fd in self.child_fds:
            os.close(fd)
        self.child_fds.clear()

    def close(self) -> None:
        """Close everything of ours."""
        self.close_child_ends()
        fds = set(self.outputs) | ({self.input_fd} if self.input_fd is not None else set())
        for fd in fds:
            os.close(fd)
        self.outputs.clear()
        self.input_fd = None


class ExecSession:
    """Implements `controller.ports.Session` for an exec. `run` has to go on until the process ends."""

    def __init__(
        self, child: Child, pipes: ExecPipes, *, tty: bool, console: ConsoleSocket | None = None
    ) -> None:
        self._child = child
        self._console = console
        self._over = asyncio.Event()
        self.prepared = asyncio.Event()
        """Set when input and output are there, or never will be."""
        self._pipes = pipes
        self._tty = tty
        self._chunks: asyncio.Queue[tuple[Stream, bytes] | None] = asyncio.Queue(maxsize=64)
        self._left = asyncio.Event()
        self.pid = 0
        """The process inside the container; 0 until the runtime has made it."""
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Carry output to whoever reads it, throw it away once nobody does, and wait for the end."""
        try:
            if self._console is not None:
                code = await self._carry_terminal(self._console)
            else:
                self.prepared.set()
                async with asyncio.TaskGroup() as group:
                    for fd, stream in self._pipes.outputs.items():
                        group.create_task(self._drain(fd, stream))
                code = await self._child.wait()
            self._code.set_result(code if code >= 0 else 128 - code)
        finally:
            self._pipes.close()
            self.prepared.set()
            if not self._code.done():
                self._code.cancel()
        if not self._left.is_set():
            await self._put(None)

    async def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        """Yield what the process writes, until it ends."""
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    async def write(self, data: bytes) -> None:
        """Send bytes to standard input; lost when the process has closed it or ended."""
        view = memoryview(data)
        while view and self._pipes.input_fd is not None:
            try:
                view = view[os.write(self._pipes.input_fd, view) :]
            except BlockingIOError:
                await wait_writable(self._pipes.input_fd)
            except OSError:
                return

    async def close_stdin(self) -> None:
        """End standard input; with a terminal by its end-of-file character."""
        if self._tty:
            await self.write(b"\x04")
        elif self._pipes.input_fd is not None:
            os.close(self._pipes.input_fd)
            self._pipes.input_fd = None

    async def resize(self, *, rows: int, columns: int) -> None:
        """Tell the terminal's size."""
        if not self._tty or self._pipes.input_fd is None or self._code.done():
            return
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._pipes.input_fd, termios.TIOCSWINSZ, size)
        if self._console is not None:
            return
        # There are two terminals: runc carries the size from ours to the container's when told, crun (1.8) does not.
        self._child.signal(signal.SIGWINCH)
        _resize_terminal_of(self.pid, size)

    async def exit_code(self) -> int | None:
        """Wait for the process to end and return its code."""
        return await asyncio.shield(self._code)

    async def close(self) -> None:
        """Let go; the process that still runs is left alone, its output read and thrown away."""
        self._left.set()
        while not self._chunks.empty():
            self._chunks.get_nowait()

    async def _carry_terminal(self, console: ConsoleSocket) -> int:
        """Wait for the terminal, carry what it shows until the program has ended; returns the exit code."""
        async with asyncio.TaskGroup() as group:
            coming = group.create_task(console.wait())
            ending = group.create_task(self._child.wait())
            await asyncio.wait((coming, ending), return_when=asyncio.FIRST_COMPLETED)
            coming.cancel()
            with contextlib.closing(console):
                terminal_fd = await console.receive()
            if terminal_fd is not None:
                self._pipes.adopt(terminal_fd)
                group.create_task(self._drain_terminal(terminal_fd))
            self.prepared.set()
            code = await ending
            self._over.set()
        return code

    async def _drain_terminal(self, fd: int) -> None:
        """Read to the end of the program, not of the terminal: others may hold that open."""
        while True:
            try:
                data = os.read(fd, _CHUNK_BYTES)
            except BlockingIOError:
                if self._over.is_set():
                    return
                await self._wait_for_more(fd)
                continue
            except OSError:  # EIO: the last one that had the terminal open has gone
                return
            await self._put((Stream.STDOUT, data))

    async def _wait_for_more(self, fd: int) -> None:
        async with asyncio.TaskGroup() as group:
            waits = [group.create_task(wait_readable(fd)), group.create_task(self._over.wait())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    async def _drain(self, fd: int, stream: Stream) -> None:
        while True:
            await wait_readable(fd)
            try:
                data = os.read(fd, _CHUNK_BYTES)
            except BlockingIOError:
                continue
            except OSError:  # EIO: the last one that had the terminal open has gone
                return
            if not data:
                return
            await self._put((stream, data))

    async def _put(self, chunk: tuple[Stream, bytes] | None) -> None:
        """Wait for room, but not once the client has left."""
        if self._left.is_set():
            return
        if not self._chunks.full():
            self._chunks.put_nowait(chunk)
            return
        async with asyncio.TaskGroup() as group:
            put = group.create_task(self._chunks.put(chunk))
            left = group.create_task(self._left.wait())
            await asyncio.wait((put, left), return_when=asyncio.FIRST_COMPLETED)
            put.cancel()
            left.cancel()


def _resize_terminal_of(pid: int, size: bytes) -> None:
    """Set the size of the terminal that is a process' standard input; nothing when it has none."""
    with contextlib.suppress(OSError):
        fd = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if os.isatty(fd):
                fcntl.ioctl(fd, termios.TIOCSWINSZ, size)
        finally:
            os.close(fd)
