"""conmon(8), the monitor of one container: it holds the terminal, the log and the exit code while the daemon may die.

Its command line is built here, and what it answers on the pipe named by _OCI_SYNCPIPE is read here.
"""

import asyncio
import json
import os
from typing import assert_never

from controller.errors import Refused, Unavailable
from controller.kernel.processes.bundles import Bundle
from controller.kernel.processes.runtimes import Runtime
from controller.kernel.subprocesses import Runner, Stdio, wait_readable
from controller.model.logs import LogDriver
from controller.model.wants import ProcessWant
from controller.plan.logs import SettledLog, render_tag

CREATE_TIMEOUT_S = 60.0
_LEAST_LAST_RESORT_BYTES = 256 << 20
_DEFAULT_TAG = "{{.ID}}"


def render_command(
    want: ProcessWant, bundle: Bundle, runtime: Runtime, log: SettledLog, *, relayed: bool = False
) -> tuple[str, ...]:
    """Return conmon's command line; with `relayed` it writes for a relay (see `log_relays`)."""
    command = [
        "conmon", "--api-version", "1", "--cid", want.uid, "--cuuid", want.uid,
        "--runtime", runtime.path, "--bundle", str(bundle.path), "--full-attach",
        "--persist-dir", str(bundle.path),
        "--container-pidfile", str(bundle.pid_path), "--conmon-pidfile", str(bundle.conmon_pid_path),
        "--exit-dir", str(bundle.exit_path.parent),
        *_render_log(want, bundle, log, relayed=relayed), "--no-sync-log", "--log-level", "error",
    ]  # fmt: skip
    for option in runtime.options:
        command += ["--runtime-arg", option]
    if want.tty:
        # Who leaves a terminal does not close it: the end of input there is a key (conmon, src/conn_sock.c).
        command += ["--terminal", "--leave-stdin-open"]
    if want.stdin_open:
        command.append("--stdin")
    return tuple(command)


def _render_log(want: ProcessWant, bundle: Bundle, log: SettledLog, *, relayed: bool) -> list[str]:
    if relayed:
        return ["--log-path", f"k8s-file:{bundle.relay_path}", "--name", want.uid]
    match log.driver:
        case LogDriver.NONE:
            return ["--log-path", "none", "--name", want.uid]
        case LogDriver.JOURNALD:
            tag = render_tag(log.tag or _DEFAULT_TAG, uid=want.uid, name=want.name, image=want.log.image)
            return ["--log-path", "journald:", "--name", want.name, "--log-tag", tag]
        case LogDriver.JSON_FILE | LogDriver.LOCAL:
            size = str(find_last_resort_bytes(log))
            return ["--log-path", f"k8s-file:{bundle.log_path}", "--log-size-max", size, "--name", want.uid]
        case _:
            assert_never(log.driver)


def find_last_resort_bytes(log: SettledLog) -> int:
    """Return the size at which who writes the log starts it afresh by itself, without what it held."""
    if log.max_files == 1:
        return log.max_bytes
    return max(_LEAST_LAST_RESORT_BYTES, 2 * log.max_bytes * log.max_files)


async def create_container(
    runner: Runner, command: tuple[str, ...], *, bundle: Bundle, runtime_name: str
) -> str:
    """Run conmon, which runs the runtime's `create` and stays. Returns the runtime's complaint, empty on success."""
    read_fd, write_fd = os.pipe()
    stderr_fd = os.memfd_create("stderr")
    os.set_blocking(read_fd, False)
    try:
        try:
            stdio = Stdio(stderr=stderr_fd, extra_fds=(write_fd,))
            # conmon marks a lack of memory with a file in its working directory too.
            child = runner.spawn(
                *command,
                stdio=stdio,
                environment={"_OCI_SYNCPIPE": str(write_fd)},
                directory_path=str(bundle.path),
            )
        finally:
            os.close(write_fd)
        try:
            async with asyncio.timeout(CREATE_TIMEOUT_S):
                # conmon's first process ends as soon as it has forked the one that stays.
                await child.wait()
                answer = await _read_answer(read_fd)
        except TimeoutError as exc:
            raise Unavailable(f"{runtime_name} did not create the container in time") from exc
        if answer is None:
            words = os.pread(stderr_fd, 4096, 0).decode(errors="replace").strip()
            raise Refused(f"conmon ended early: {words or 'no message'}")
        return answer
    finally:
        os.close(read_fd)
        os.close(stderr_fd)


async def _read_answer(fd: int) -> str | None:
    """Return the complaint on the pipe, empty when there is none; None when conmon ended without an answer."""
    received = bytearray()
    while not received.endswith(b"\n"):
        await wait_readable(fd)
        data = os.read(fd, 65536)
        if not data:
            return None
        received += data
    message = json.loads(received)
    number = message.get("data", message.get("pid", -1))
    return "" if number > 0 else str(message.get("message") or "no message")
