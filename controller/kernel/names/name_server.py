"""The name server as the daemon sees it: `KernelNameServer(layout=, runner=, resolv_conf_path=)`.

The server is a process of its own (see `name_server_main`), found again by its pid file and spoken to by a socket; it
says itself what it serves. It is told just what changed, and everything where nobody knows what it serves.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from controller.errors import HoldError, Refused, Unavailable
from controller.kernel.names.name_server_change import render_change
from controller.kernel.names.name_server_control import CONTROL_HEAD, CONTROL_NAME
from controller.kernel.network.inside_rules import is_led_inside, lead_inside
from controller.kernel.processes.ending import open_pidfd
from controller.kernel.subprocesses import Runner
from controller.model.facts import NamesFacts
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import INSIDE_RESOLVER, NamedHost, NamesWant
from controller.plan.firewall import NAME_SERVER_PORT

LOG = logging.getLogger(__name__)

_MODULE = "controller.kernel.names.name_server_main"
_ANSWER_TIMEOUT_S = 10.0


class _NoAnswer(Exception):
    """The server's process does not answer."""


class KernelNameServer:
    """The name server on Linux; one call at a time."""

    def __init__(self, *, layout: Layout, runner: Runner, resolv_conf_path: str = "/etc/resolv.conf") -> None:
        self._layout = layout
        self._directory = Path(layout.dns_path)
        self._runner = runner
        self._resolv_conf_path = resolv_conf_path
        self._lock = asyncio.Lock()
        self._published: NamesWant | None = None
        self.on_start: Callable[[], None] | None = None
        """Called whenever a server was started, for whoever waits for its end."""

    async def read(self) -> NamesFacts:
        """Return what is served."""
        async with self._lock:
            try:
                answer = await self._ask({})
            except _NoAnswer:
                return NamesFacts(digest=self._read_idle(), serving=False)
            return NamesFacts(digest=answer["digest"], serving=True)

    async def publish(self, want: NamesWant) -> None:
        """Serve exactly the zones of `want`, without a gap; no server runs when there are none."""
        async with self._lock:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not want.zones:
                self._end_server(signal.SIGTERM)
                self._idle_path.write_text(want.digest)
                return
            self._idle_path.unlink(missing_ok=True)
            before, self._published = self._published, None
            if not (before is not None and await self._try_to_change(before, want)):
                await self._replace(want)
            self._published = want

    async def _try_to_change(self, before: NamesWant, want: NamesWant) -> bool:
        """Tell just the difference, and return whether that is what is served now."""
        try:
            answer = await self._ask(render_change(before, want))
        except _NoAnswer:
            return False
        return bool(answer["digest"] == want.digest)

    async def _replace(self, want: NamesWant) -> None:
        """Tell everything; a server that does not answer is ended and another one started."""
        try:
            answer = await self._ask(render_change(None, want))
        except _NoAnswer:
            self._end_server(signal.SIGKILL)
            await self._runner.run(
                sys.executable, "-m", _MODULE, str(self._directory), self._resolv_conf_path
            )
            if self.on_start is not None:
                self.on_start()
            try:
                answer = await self._ask(render_change(None, want))
            except _NoAnswer as exc:
                raise Unavailable("the name server does not answer", retry_after_s=0.1) from exc
        if answer["digest"] != want.digest:
            raise Refused(f"the name server can't serve: {answer['error']}")
        for container in sorted(host.container for host in want.list_inside()):
            await self._try_to_join(container)  # one that has no namespace yet is joined when it has

    async def join(self, container: Uid) -> None:
        """See NameServer."""
        await lead_inside(self._runner, self._layout.netns_path(container))
        async with self._lock:
            error = await self._try_to_join(container)
        if error:
            raise Refused(f"names can't be served inside container {container}: {error}")

    async def tend(self, hosts: Iterable[NamedHost]) -> None:
        """See NameServer."""
        for host in hosts:
            path = self._layout.netns_path(host.container)
            try:
                if not await asyncio.to_thread(is_led_inside, path, host.names[0]):
                    await self.join(host.container)
            except FileNotFoundError:
                continue
            except HoldError as error:
                LOG.warning("names not served", extra={"uid": host.container, "error": error.message})

    async def leave(self, container: Uid) -> None:
        """See NameServer."""
        async with self._lock:
            published = self._published
            if published is not None and all(each.container != container for each in published.list_inside()):
                return
            with contextlib.suppress(_NoAnswer):
                await self._ask({"leave": container})

    async def _try_to_join(self, container: Uid) -> str:
        """Return why not; nothing where there is no server: whoever starts one sees to it."""
        request = {"join": container, "netns": self._layout.netns_path(container)}
        try:
            answer = await self._ask({**request, "address": INSIDE_RESOLVER, "port": NAME_SERVER_PORT})
        except _NoAnswer:
            return ""
        return str(answer["error"])

    def open_pidfd(self) -> int | None:
        """Return a descriptor of the server's process, None when it does not run."""
        try:
            pid = int((self._directory / "server.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return open_pidfd(pid, self._is_server)

    def _is_server(self, pid: int) -> bool:
        """Tell whether a process is a server of this directory."""
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsencode(self._directory) in command and _MODULE.encode() in command

    def _list_strays(self) -> list[int]:
        """Return the servers that outlived their directory: they keep the addresses, and nobody can talk to them."""
        pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
        return [pid for pid in pids if self._is_server(pid)]

    async def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        message = json.dumps(request).encode()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as connection:
            try:
                async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                    self._connect(connection)
                    await loop.sock_sendall(connection, CONTROL_HEAD.pack(len(message)) + message)
                    (size,) = CONTROL_HEAD.unpack(await _receive(connection, CONTROL_HEAD.size))
                    answer: Mapping[str, Any] = json.loads(await _receive(connection, size))
                    return answer
            except (OSError, TimeoutError, ValueError) as exc:
                raise _NoAnswer from exc

    def _connect(self, connection: socket.socket) -> None:
        """Connect, whatever the length of the path; OSError when nobody listens."""
        directory_fd = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{directory_fd}/{CONTROL_NAME}")
        finally:
            os.close(directory_fd)

    def _end_server(self, number: signal.Signals) -> None:
        known = self.open_pidfd()
        pidfds = (
            [known] if known is not None else [open_pidfd(p, self._is_server) for p in self._list_strays()]
        )
        for pidfd in filter(None, pidfds):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)
            os.close(pidfd)
        for name in ("server.pid", CONTROL_NAME):
            (self._directory / name).unlink(missing_ok=True)
        self._published = None

    @property
    def _idle_path(self) -> Path:
        """Where the digest lies of zones that need no server."""
        return self._directory / "idle"

    def _read_idle(self) -> str:
        try:
            return self._idle_path.read_text()
        except FileNotFoundError:
            return ""


async def _receive(connection: socket.socket, size: int) -> bytes:
    """Return exactly `size` bytes; ConnectionError when there are no more."""
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < size:
        chunk = await loop.sock_recv(connection, size - len(received))
        if not chunk:
            raise ConnectionError("the name server ended")
        received += chunk
    return received
