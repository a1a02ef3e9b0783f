"""Containers' processes: `OciProcesses(layout=..., runner=Runner(), cgroups=Cgroups.find(instance), gates=Gates())`.

A process lives in its bundle directory: files there and in conmon's exit directory, and the kernel's own, say all
about it, so that a new daemon knows what an earlier one knew and no runtime has to be asked.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path, PurePath

from controller.errors import Exhausted, Refused
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.files.confined import make_directories_in_root, open_root
from controller.kernel.logs.journal import check_journal
from controller.kernel.logs.log_files import mark_run, write_driver
from controller.kernel.logs.log_relays import choose_relay, end_relay, start_relay, write_order
from controller.kernel.logs.rotation import LogRotator
from controller.kernel.processes import ending
from controller.kernel.processes.bundles import Bundle, Failure, Origin, list_bundles
from controller.kernel.processes.conmon import create_container, render_command
from controller.kernel.processes.fitting import fit_config, read_abilities
from controller.kernel.processes.gates import Gates
from controller.kernel.processes.runtimes import Runtime, Runtimes, classify_failure, translate_complaint
from controller.kernel.processes.seccomp import FilterCompiler
from controller.kernel.roots.idmaps import check_passage, opened_user_namespace
from controller.kernel.roots.staging import (
    check_propagation,
    check_sources,
    drop_recursion_of_files,
    ensure_host_directory,
    keep_protection,
    stage,
    unstage,
)
from controller.kernel.subprocesses import Runner
from controller.kernel.translation import translated
from controller.model.facts import ProcessFacts, ProcessState
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.logs import LogDriver
from controller.model.wants import ProcessWant
from controller.plan.logs import settle_log
from controller.plan.oci.files import derive_texts_digest


class OciProcesses:
    """Implements `controller.ports.Processes`."""

    def __init__(
        self,
        *,
        layout: Layout,
        runner: Runner,
        cgroups: Cgroups,
        gates: Gates,
        rotator: LogRotator,
        default_runtime: str = "",
    ) -> None:
        self._layout = layout
        self._runner = runner
        self._cgroups = cgroups
        self._gates = gates
        self._runtimes = Runtimes(runner, layout, cgroups, default=default_runtime)
        self._rotator = rotator
        self._compiler = FilterCompiler()
        self._abilities = read_abilities(cgroups)
        self._locks: dict[Uid, asyncio.Lock] = {}

    async def list(self) -> tuple[ProcessFacts, ...]:
        """Return every process of this instance, ended and half-created ones included."""
        return await asyncio.to_thread(self._list)

    async def read(self, uid: Uid) -> ProcessFacts | None:
        """Return the process, None when there is none, not even the remains of one."""
        return self._read(Bundle(self._layout, uid))

    async def create(self, want: ProcessWant) -> None:
        """Create the process up to just before its program runs; removes the remains of an earlier one first."""
        async with self._alone(want.uid):
            bundle = Bundle(self._layout, want.uid)
            await self._delete(bundle)
            runtime = self._runtimes.choose(want.runtime)
            self._runner.find("conmon")
            await self._prepare(want, bundle, runtime)
            complaint = await self._create(want, bundle, runtime)
            if complaint:
                await self._refuse_creation(want, bundle, runtime, complaint)
            self._rotator.expect(want.uid)
            self._gates.announce(want.name, want.uid)

    async def start(self, uid: Uid) -> None:
        """Let the created program run, once clients that want to be attached are; nothing when it already does."""
        await self._gates.pass_through(uid)
        async with self._alone(uid):
            bundle = Bundle(self._layout, uid)
            origin = bundle.read_origin()
            if origin is None or not bundle.awaits_start():
                return
            runtime = self._runtimes.choose(origin.runtime)
            with translated(f"log of {origin.name}"):
                await asyncio.to_thread(mark_run, bundle.log_path, time.time())
            completed = await self._runner.capture(*runtime.command("start", uid))
            if completed.code == 0:
                bundle.mark_started()
                return
            program = _read_program(bundle)
            failure = classify_failure(completed.stderr, program)
            if failure is None:
                raise translate_complaint(completed.stderr, runtime)
            bundle.write_failure(failure)
            raise Refused(failure.message)

    async def signal(self, uid: Uid, number: int) -> None:
        """Send a signal to the container's first process; nothing when it has ended."""
        pidfd = self._open_init(Bundle(self._layout, uid))
        if pidfd is None:
            return
        try:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)
        finally:
            os.close(pidfd)

    async def delete(self, uid: Uid) -> None:
        """End the process by SIGKILL if it lives and remove everything about it but its log."""
        async with self._alone(uid):
            await self._delete(Bundle(self._layout, uid))
        lock = self._locks.get(uid)
        if lock is not None and not lock.locked():
            del self._locks[uid]

    @contextlib.asynccontextmanager
    async def _alone(self, uid: Uid) -> AsyncIterator[None]:
        async with self._locks.setdefault(uid, asyncio.Lock()):
            yield

    def _list(self) -> tuple[ProcessFacts, ...]:
        facts = (self._read(Bundle(self._layout, uid)) for uid in list_bundles(self._layout))
        return tuple(item for item in facts if item is not None)

    def _read(self, bundle: Bundle) -> ProcessFacts | None:
        if not bundle.exists():
            return _tell_remains(bundle.uid) if self._has_remains(bundle) else None
        origin = bundle.read_origin()
        pid = bundle.read_pid()
        failure = bundle.read_failure()
        # Until conmon has written the exit code, the end of the process is not known well enough to be told. Conmon is
        # looked for first: one that is gone by then has left the code before, so that none is missed in between.
        owned, monitored = self._cgroups.owns(bundle.uid, pid), bundle.read_conmon_pid() > 0
        exit_code, finished_at = bundle.read_exit()
        alive = failure is None and exit_code is None and pid > 0 and (owned or monitored)
        state = self._find_state(bundle) if alive else ProcessState.STOPPED
        return ProcessFacts(
            uid=bundle.uid,
            state=state,
            pid=pid if alive else 0,
            spec_hash=origin.spec_hash if origin is not None else "",
            run=origin.run if origin is not None else 0,
            started_at=None if state is ProcessState.CREATED else self._find_started_at(bundle, pid),
            finished_at=None if alive else finished_at,
            exit_code=None if alive else (failure.code if failure is not None else exit_code),
            oom_killed=not alive and (bundle.has_oom_mark() or self._cgroups.count_oom_kills(bundle.uid) > 0),
            error=failure.message if failure is not None else "",
            monitored=monitored or not alive,
            network_identity=ending.read_network_identity(pid) if alive else 0,
            texts_digest=origin.texts if origin is not None else "",
        )

    def _has_remains(self, bundle: Bundle) -> bool:
        """Tell whether somebody has removed the bundle alone: its directory is the last that goes otherwise."""
        return bundle.runtime_path.exists() or bool(self._cgroups.directories(bundle.uid))

    def _find_state(self, bundle: Bundle) -> ProcessState:
        if bundle.awaits_start():
            return ProcessState.CREATED
        return ProcessState.PAUSED if self._cgroups.is_frozen(bundle.uid) else ProcessState.RUNNING

    def _find_started_at(self, bundle: Bundle, pid: int) -> float | None:
        """Fall back on when the process was made: the daemon may have died before it could write the time down."""
        return bundle.read_started_at() or ending.read_start_time(pid)

    async def _prepare(self, want: ProcessWant, bundle: Bundle, runtime: Runtime) -> None:
        """Write the bundle; nothing of it stays when that fails, but what says that the program can't be run."""
        prepared = False
        try:
            async with opened_user_namespace(self._runner, want.id_base) as user_namespace_fd:
                await asyncio.to_thread(self._write, want, bundle, runtime, user_namespace_fd)
            prepared = True
        except Refused as error:
            self._gates.fail(want.name, error.message)
            if bundle.exists():
                bundle.write_failure(Failure(message=error.message, code=126))
                prepared = True
            raise
        finally:
            if not prepared:
                await self._delete(bundle)

    def _write(
        self, want: ProcessWant, bundle: Bundle, runtime: Runtime, user_namespace_fd: int | None
    ) -> None:
        compiler = self._compiler if runtime.takes_filter else None
        config = fit_config(json.loads(want.config_json), self._abilities, compiler)
        if not Path(config["root"]["path"]).is_dir():
            raise Refused(f"root of {want.name} is not mounted")
        with translated(f"process of {want.name}"):
            log = settle_log(want.log.settings, self._rotator.defaults)
            if log.driver is LogDriver.JOURNALD:
                check_journal()
            relay = choose_relay(want, log, self._rotator.defaults, bundle.log_path)
            origin = Origin(
                name=want.name,
                run=want.run,
                spec_hash=want.spec_hash,
                runtime=runtime.path,
                tty=want.tty,
                texts=derive_texts_digest(want.files),
                log_max_bytes=log.max_bytes,
                log_max_files=log.max_files if log.is_file else 1,
                log_compress=log.compress,
                log_relayed=relay is not None,
                reads_pipe=want.stdin_open and not want.tty,
            )
            bundle.write(want, config, origin)
            if relay is not None:
                write_order(bundle, relay)
            write_driver(bundle.log_path, log.driver)
            for path, kind in want.propagations:
                check_propagation(path, kind)
            for path in want.host_directories:
                ensure_host_directory(path)
            if want.id_base:
                check_passage(config["root"]["path"])
            stage(want.staged, user_namespace_fd)
            check_sources(config)
            changes = (keep_protection(config), drop_recursion_of_files(config))
            if any(changes):
                bundle.write_config(config)
            with open_root(config["root"]["path"]) as root_fd:
                for path in want.directories:
                    make_directories_in_root(root_fd, path)

    async def _create(self, want: ProcessWant, bundle: Bundle, runtime: Runtime) -> str:
        log = settle_log(want.log.settings, self._rotator.defaults)
        origin = bundle.read_origin()
        relayed = origin is not None and origin.log_relayed
        command = render_command(want, bundle, runtime, log, relayed=relayed)
        created = False
        try:
            if relayed:
                await start_relay(self._runner, bundle)
            complaint = await create_container(
                self._runner, command, bundle=bundle, runtime_name=PurePath(runtime.path).name
            )
            created = True
        finally:
            if not created:
                await self._delete(bundle)
        return complaint

    async def _refuse_creation(
        self, want: ProcessWant, bundle: Bundle, runtime: Runtime, complaint: str
    ) -> None:
        """Keep the remains when the program itself is at fault: they are the process that ended at once."""
        failure: Failure | None = classify_failure(complaint, _read_program(bundle))
        message = failure.message if failure is not None else translate_complaint(complaint, runtime).message
        self._gates.fail(want.name, message)
        if failure is None:
            await self._delete(bundle)
            raise translate_complaint(complaint, runtime)
        bundle.write_failure(failure)
        raise Refused(failure.message)

    def _open_init(self, bundle: Bundle) -> int | None:
        return ending.open_pidfd(bundle.read_pid(), lambda pid: self._cgroups.owns(bundle.uid, pid))

    async def _delete(self, bundle: Bundle) -> None:
        if not bundle.exists() and not self._has_remains(bundle):
            return
        self._rotator.disregard(bundle.uid)
        await self._end(bundle)
        await end_relay(bundle)
        origin = bundle.read_origin()
        if bundle.runtime_path.exists() and origin is not None and os.access(origin.runtime, os.X_OK):
            runtime = self._runtimes.choose(origin.runtime)
            await self._runner.capture(*runtime.command("delete", "--force", bundle.uid))
        await self._remove_cgroups(bundle.uid)
        with translated(f"mounts of {bundle.uid}"):
            await asyncio.to_thread(unstage, self._layout.staging_path(bundle.uid))
        await asyncio.to_thread(bundle.remove)

    async def _end(self, bundle: Bundle) -> None:
        """Kill the process and let conmon come to its end by itself, then whatever else has to do with the uid."""
        pidfd = self._open_init(bundle)
        if pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            with contextlib.suppress(OSError):
                self._cgroups.freeze(bundle.uid, frozen=False)
            await ending.wait_for_end(pidfd)
        conmon_pid = bundle.read_conmon_pid()
        conmon_fd = ending.open_pidfd(conmon_pid, lambda pid: bundle.read_conmon_pid() == pid)
        if conmon_fd is not None:
            await ending.wait_for_end(conmon_fd)
        elif pidfd is None and bundle.read_exit()[0] is None:
            await ending.kill_strays(bundle.uid)

    async def _remove_cgroups(self, uid: Uid) -> None:
        delay_s = 0.001
        while not await asyncio.to_thread(self._cgroups.remove, uid):
            if delay_s > ending.PATIENCE_S:
                raise Exhausted(f"cgroup of {uid} can't be removed: processes in it do not end")
            await asyncio.to_thread(self._cgroups.kill, uid)
            await asyncio.sleep(delay_s)
            delay_s *= 2


def _tell_remains(uid: Uid) -> ProcessFacts:
    """Return facts about a process of which nothing is known any more, but that something of it is there."""
    return ProcessFacts(uid=uid, state=ProcessState.STOPPED)


def _read_program(bundle: Bundle) -> str:
    return str(json.loads(bundle.config_path.read_text())["process"]["args"][0])
