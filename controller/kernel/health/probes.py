"""Health checks of containers: `ContainerProbes(layout=..., cgroups=..., helper=..., sessions=...)`."""

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from controller.errors import Conflict, NotFound, Refused, Unsupported
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.health.probe_context import render_context
from controller.kernel.health.probe_helper import ProbeHelper, ProbeRequest
from controller.kernel.health.probe_requests import request
from controller.kernel.processes import ending
from controller.kernel.processes.bundles import Bundle
from controller.kernel.processes.executions import ExecSession
from controller.kernel.processes.seccomp import FilterCompiler
from controller.kernel.translation import translated
from controller.model.health import ExecProbe, GrpcProbe, HttpProbe, Probe, ProbeOutcome, TcpProbe
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.ports import ExecWant, Session, Sessions

MOST_OUTPUT_BYTES = 4096
_PATIENCE_S = 5.0
"""How long after its time the end of a check is waited for: SIGKILL doesn't end what hangs in the kernel."""
_CONTEXT_NAME = "probe.context"
_MOST_ENTRANCES = 4096
"""More than are checked at a time; those that were not for the longest time are forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entrance:
    """The container's first process with its start time (clock ticks since boot), which no later one of that pid has, and
    the file by which the helper enters; None when only its runtime may.
    """

    pid: int
    birth: str
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
        with translated(f"health check of {uid}"):
            return await self._probe(uid, probe, timeout_s)

    async def _probe(self, uid: Uid, probe: Probe, timeout_s: float) -> ProbeOutcome:
        entrance = self._entrances.pop(uid, None) or self._find_entrance(uid)
        if self._cgroups.is_frozen(uid):
            raise Conflict(f"container {uid} is paused")
        if isinstance(probe, ExecProbe):
            outcome = await self._execute(uid, entrance, probe, timeout_s)
        else:
            outcome = await self._request(uid, entrance, probe, timeout_s)
        # Remembered as long as it leads to the container: what went wrong above is looked up anew.
        self._entrances[uid] = entrance
        if len(self._entrances) > _MOST_ENTRANCES:
            del self._entrances[next(iter(self._entrances))]
        return outcome

    def _find_entrance(self, uid: Uid) -> _Entrance:
        bundle = Bundle(self._layout, uid)
        pid = bundle.read_pid()
        birth = _read_birth(pid)
        if bundle.awaits_start() or not birth or not self._cgroups.owns(uid, pid):
            raise NotFound(f"container {uid} does not run")
        return _Entrance(pid=pid, birth=birth, context_path=self._ensure_context(bundle))

    async def _request(
        self, uid: Uid, entrance: _Entrance, probe: HttpProbe | TcpProbe | GrpcProbe, timeout_s: float
    ) -> ProbeOutcome:
        if not self._cgroups.owns(uid, entrance.pid):
            raise NotFound(f"container {uid} does not run")
        try:
            async with asyncio.timeout(timeout_s):
                return await request(f"/proc/{entrance.pid}/ns/net", probe)
        except TimeoutError:
            return _tell_late("", timeout_s)
        except FileNotFoundError as exc:
            raise NotFound(f"container {uid} has ended") from exc

    async def _execute(
        self, uid: Uid, entrance: _Entrance, probe: ExecProbe, timeout_s: float
    ) -> ProbeOutcome:
        path = entrance.context_path
        if path is None:
            return await self._execute_by_runtime(uid, probe, timeout_s)
        wanted = ProbeRequest(
            pid=entrance.pid,
            birth=entrance.birth,
            context_path=path,
            arguments=probe.arguments,
            timeout_s=timeout_s,
        )
        try:
            async with asyncio.timeout(timeout_s + _PATIENCE_S):
                outcome = await self._helper.run(wanted)
        except TimeoutError:
            return _tell_late("", timeout_s)
        except Unsupported:
            return await self._execute_by_runtime(uid, probe, timeout_s)
        return _tell_late(outcome.output, timeout_s) if outcome.exit_code == -1 else outcome

    def _ensure_context(self, bundle: Bundle) -> str | None:
        """Return the file by which the helper enters the container; None when only its runtime may."""
        path = bundle.path / _CONTEXT_NAME
        if not path.exists():
            origin = bundle.read_origin()
            context = None
            if origin is not None:
                context = render_context(bundle, origin.runtime, self._cgroups, self._compiler)
            new_path = path.with_suffix(".new")
            new_path.touch(mode=0o600)
            new_path.write_bytes(context or b"")
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


def _read_birth(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _tell_late(output: str, timeout_s: float) -> ProbeOutcome:
    words = f"the check took longer than {timeout_s:g} s"
    return ProbeOutcome(exit_code=-1, output=f"{words}: {output}" if output else words)
