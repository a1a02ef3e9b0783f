"""The name server as the daemon sees it: `KernelNameServer(layout=, runner=, resolv_conf_path=)`.

The server is a process of its own (see `name_server_main`), found again by its pid file; what it serves it writes to
a file beside it.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from controller.errors import Refused, Unavailable
from controller.kernel import syscalls
from controller.kernel.inotify import Inotify
from controller.kernel.subprocesses import Runner
from controller.model.facts import NamesFacts
from controller.model.layout import Layout
from controller.model.wants import NamesWant, Zone
from controller.plan.firewall import NAME_SERVER_PORT

_MODULE = "controller.kernel.name_server_main"
_RELOAD_TIMEOUT_S = 10.0


class KernelNameServer:
    """The name server on Linux; one call at a time."""

    def __init__(self, *, layout: Layout, runner: Runner, resolv_conf_path: str = "/etc/resolv.conf") -> None:
        self._directory = Path(layout.dns_path)
        self._runner = runner
        self._resolv_conf_path = resolv_conf_path
        self._lock = asyncio.Lock()
        self.on_start: Callable[[], None] | None = None
        """Called whenever a server was started, for whoever waits for its end."""

    async def read(self) -> NamesFacts:
        """Return what is served."""
        pidfd = self.open_pidfd()
        if pidfd is not None:
            os.close(pidfd)
            return NamesFacts(digest=self._read_serving(), serving=True)
        lost = (self._directory / "zones.json").exists()
        return NamesFacts(digest="" if lost else self._read_serving(), serving=False)

    async def publish(self, want: NamesWant) -> None:
        """Serve exactly the zones of `want`, without a gap; no server runs when there are none."""
        async with self._lock:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not want.zones:
                self._stop()
                (self._directory / "serving").write_text(want.digest)
                return
            self._write_zones(want)
            pidfd = self.open_pidfd()
            if pidfd is None:
                await self._runner.run(sys.executable, "-m", _MODULE, str(self._directory))
                if self.on_start is not None:
                    self.on_start()
                return
            try:
                await self._reload(pidfd, want.digest)
            finally:
                os.close(pidfd)

    def open_pidfd(self) -> int | None:
        """Return a descriptor of the server's process, None when it does not run."""
        try:
            pid = int((self._directory / "server.pid").read_text())
            pidfd = os.pidfd_open(pid)
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        if os.fsencode(self._directory) in command and _MODULE.encode() in command:
            return pidfd
        os.close(pidfd)
        return None

    async def _reload(self, pidfd: int, digest: str) -> None:
        (self._directory / "serving").unlink(missing_ok=True)
        written = asyncio.Event()
        inotify = Inotify(lambda _: written.set())
        inotify.watch(str(self._directory), syscalls.IN_MOVED_TO)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGHUP)
            async with asyncio.timeout(_RELOAD_TIMEOUT_S):
                await written.wait()
        except (TimeoutError, ProcessLookupError) as exc:
            raise Unavailable("the name server does not answer", retry_after_s=0.1) from exc
        finally:
            inotify.close()
        serving = self._read_serving()
        if serving != digest:
            raise Refused(f"the name server can't serve: {serving.removeprefix('error: ')}")

    def _stop(self) -> None:
        pidfd = self.open_pidfd()
        if pidfd is not None:
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            except ProcessLookupError:
                pass
            finally:
                os.close(pidfd)
        for name in ("server.pid", "serving", "zones.json"):
            (self._directory / name).unlink(missing_ok=True)

    def _read_serving(self) -> str:
        try:
            return (self._directory / "serving").read_text()
        except FileNotFoundError:
            return ""

    def _write_zones(self, want: NamesWant) -> None:
        text = json.dumps(
            {
                "digest": want.digest,
                "port": NAME_SERVER_PORT,
                "resolv_conf_path": self._resolv_conf_path,
                "zones": [_describe(zone, want.zones) for zone in want.zones],
            }
        )
        draft = self._directory / "zones.new"
        draft.write_text(text)
        draft.replace(self._directory / "zones.json")


def _describe(zone: Zone, zones: tuple[Zone, ...]) -> dict[str, object]:
    """Return the zone as the server's file has it."""
    gateways: dict[str, list[str]] = {}
    for other in zones:
        for uid, _, _ in other.hosts:
            if other.gateway != zone.gateway:
                gateways.setdefault(uid, []).append(other.gateway)
    return {
        "gateway": zone.gateway,
        "internal": zone.internal,
        "names": {name.lower(): list(addresses) for name, addresses in zone.names},
        "reverse": {address: names[0] for _, address, names in zone.hosts if names},
        "neighbours": {address: gateways[uid] for uid, address, _ in zone.hosts if uid in gateways},
        # A server that an older daemon has started does not know the key.
        **({"upstreams": dict(zone.upstreams)} if zone.upstreams else {}),
    }
