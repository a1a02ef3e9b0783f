"""Health checks of containers: `ContainerProbes(layout=..., cgroups=..., helper=..., sessions=...)`."""

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import dataclass

from controller.errors import Conflict, NotFound, Refused
from controller.kernel import ending
from controller.kernel.bundles import Bundle
from controller.kernel.cgroups import Cgroups
from controller.kernel.executions import ExecSession
from controller.kernel.probe_context import derive_context
from controller.kernel.probe_helper import ProbeHelper, ProbeRequest
from controller.kernel.probe_requests import request
from controller.kernel.seccomp import FilterCompiler
from controller.kernel.translation import translated
from controller.model.health import ExecProbe, GrpcProbe, HttpProbe, Probe, ProbeOutcome, TcpProbe
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.ports import ExecWant, Session, Sessions

MOST_OUTPUT_BYTES = 4096
_PATIENCE_S = 5.0
"""How long after its time the end of a check is waited for: SIGKILL doesn't end what hangs in the kernel."""
_CONTEXT_NAME = "probe.json"
_MOST_ENTRANCES = 4096
"""More than are checked at a time; those that were not for the longest time are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entrance:
    """The container's first process, and the file by which the helper enters; None when only its runtime may."""

    pid: int
    context_path: str | None


class ContainerProbes:
    """Implements `controller.ports.Probes`.

    Programs are run by the helper process where that is as good as the runtime's own exec, and by `sessions` elsewhere.
    """

    def __init__(self, *, layout: Layout, cgroups: Cgroups, helper: ProbeHelper, sessions: Sessions) -> None:
        self._layout = layout
        self._cgroups = cgroups
        self._helper = helper
        self._sessions = sessions
        self._compiler = FilterCompiler()
        self._entrances: dict[Uid, _Entrance] = {}

    async def probe(self, uid: Uid, probe: Probe, *, timeout_s: float) -> ProbeOutcome:
        """See Probes."""
        entrance, container_fd = self._open(uid)
        try:
            if self._cgroups.is_frozen(uid):
                raise Conflict(f"container {uid} is paused")
            match probe:
                case ExecProbe():
                    return await self._execute(uid, entrance, probe, container_fd, timeout_s)
                case HttpProbe() | TcpProbe() | GrpcProbe():
                    return await self._request(uid, entrance, probe, timeout_s)
        finally:
            os.close(container_fd)

    def _open(self, uid: Uid) -> tuple[_Entrance, int]:
        """Return how the container is entered, remembered as long as its process lives, and a pidfd of that."""
        known = self._entrances.pop(uid, None) or self._find_entrance(uid)
        container_fd = ending.open_pidfd(known.pid, lambda pid: self._cgroups.owns(uid, pid))
        if container_fd is None:  # another process may have taken its place
            known = self._find_entrance(uid)
            container_fd = ending.open_pidfd(known.pid, lambda pid: self._cgroups.owns(uid, pid))
        if container_fd is None:
            raise NotFound(f"container {uid} does not run")
        self._entrances[uid] = known
        if len(self._entrances) > _MOST_ENTRANCES:
            del self._entrances[next(iter(self._entrances))]
        return known, container_fd

    def _find_entrance(self, uid: Uid) -> _Entrance:
        bundle = Bundle(self._layout, uid)
        pid = bundle.read_pid()
        if bundle.awaits_start() or not self._cgroups.owns(uid, pid):
            raise NotFound(f"container {uid} does not run")
        with translated(f"health check of {uid}"):
            return _Entrance(pid=pid, context_path=self._ensure_context(bundle))

    async def _request(
        self, uid: Uid, entrance: _Entrance, probe: HttpProbe | TcpProbe | GrpcProbe, timeout_s: float
    ) -> ProbeOutcome:
        try:
            async with asyncio.timeout(timeout_s):
                return await request(f"/proc/{entrance.pid}/ns/net", probe)
        except TimeoutError:
            return _tell_late("", timeout_s)
        except FileNotFoundError as exc:
            raise NotFound(f"container {uid} has ended") from exc

    async def _execute(
        self, uid: Uid, entrance: _Entrance, probe: ExecProbe, container_fd: int, timeout_s: float
    ) -> ProbeOutcome:
        path = entrance.context_path
        if path is None:
            return await self._execute_by_runtime(uid, probe, timeout_s)
        wanted = ProbeRequest(context_path=path, arguments=probe.arguments, timeout_s=timeout_s)
        try:
            async with asyncio.timeout(timeout_s + _PATIENCE_S):
                outcome = await self._helper.run(wanted, container_fd)
        except TimeoutError:
            return _tell_late("", timeout_s)
        return _tell_late(outcome.output, timeout_s) if outcome.exit_code == -1 else outcome

    def _ensure_context(self, bundle: Bundle) -> str | None:
        """Return the file by which the helper enters the container; None when only its runtime may."""
        path = bundle.path / _CONTEXT_NAME
        if not path.exists():
            origin = bundle.read_origin()
            context = None
            if origin is not None:
                context = derive_context(bundle, origin.runtime, self._cgroups, self._compiler)
            new_path = path.with_suffix(".new")
            new_path.touch(mode=0o600)
            new_path.write_text(json.dumps(context) if context is not None else "")
            new_path.replace(path)
        return str(path) if path.stat().st_size else None

    async def _execute_by_runtime(self, uid: Uid, probe: ExecProbe, timeout_s: float) -> ProbeOutcome:
        output = bytearray()
        try:
            session = await self._sessions.exec(uid, ExecWant(arguments=probe.arguments))
        except Refused as error:
            return ProbeOutcome(exit_code=126, output=error.message)
        try:
            async with asyncio.timeout(timeout_s):
                async for _, data in session.output():
                    output += data[: MOST_OUTPUT_BYTES - len(output)]
                code = await session.exit_code()
        except TimeoutError:
            return _tell_late(output.decode(errors="replace"), timeout_s)
        finally:
            await session.close()
            await self._end(uid, session)
        return ProbeOutcome(exit_code=code or 0, output=output.decode(errors="replace"))

    async def _end(self, uid: Uid, session: Session) -> None:
        """End what still runs of a check; a pid that has gone to another is not in the container's cgroup."""
        pid = session.pid if isinstance(session, ExecSession) else 0
        pidfd = ending.open_pidfd(pid, lambda pid: self._cgroups.owns(uid, pid))
        if pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await session.exit_code()


def _tell_late(output: str, timeout_s: float) -> ProbeOutcome:
    words = f"the check took longer than {timeout_s:g} s"
    return ProbeOutcome(exit_code=-1, output=f"{words}: {output}" if output else words)
