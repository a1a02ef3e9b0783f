"""Health checks in real containers: the same world as a runtime's exec has, ends in time, answers of servers."""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from controller.errors import Conflict, NotFound, Unavailable, Unsupported
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.health.probe_entry import Context
from controller.kernel.health.probe_helper import ProbeHelper, ProbeRequest
from controller.kernel.health.probe_launch import Launcher
from controller.kernel.health.probes import ContainerProbes
from controller.kernel.subprocesses import Runner
from controller.model.facts import ProcessState
from controller.model.health import ExecProbe, GrpcProbe, HttpProbe, Probe, ProbeOutcome, TcpProbe
from controller.model.ids import Uid
from controller.ports import ExecWant
from tests.contract.containers import DB, DEADLINE_S, WEB
from tests.kernel.box import Box

LOOK = """id; pwd; umask; env | grep -v ^_= | sort; ulimit -Hn; ulimit -u
grep -E "Cap|NoNew|Seccomp:|SigIgn|SigBlk|Groups" /proc/self/status; cat /proc/self/cgroup
for each in /proc/self/ns/*; do readlink $each; done; echo $(ls /proc/self/fd); mount 2>&1 | head -1
mknod /tmp/x b 1 1; chroot / true; unshare true; nice -n -5 true; echo done"""
"""What of its surroundings a process can see and do. Not the soft limit of files, which runc's exec raises now and then."""


def shell(script: str) -> ExecProbe:
    return ExecProbe(arguments=("/bin/sh", "-c", script))


class Doctor:
    """The adapter with its box."""

    def __init__(self, box: Box, helper: ProbeHelper) -> None:
        layout = box.ports.layout
        self.box = box
        self._probes = ContainerProbes(
            layout=layout, cgroups=Cgroups.find(layout.instance), helper=helper, sessions=box.sessions
        )

    async def ask(self, probe: Probe, timeout_s: float = DEADLINE_S, *, uid: Uid = WEB) -> ProbeOutcome:
        return await self._probes.probe(uid, probe, timeout_s=timeout_s)

    def context_path(self, uid: Uid = WEB) -> Path:
        return Path(self.box.ports.layout.bundle_path(uid), "probe.context")

    def enters_by_itself(self) -> bool:
        """Tell whether the runtime was not needed."""
        return self.context_path().stat().st_size > 0

    def needs_no_copy(self) -> bool:
        """Tell whether a thread may start the program."""
        return Launcher().suits(Context(str(self.context_path()), {}))

    def request(self, uid: Uid, *arguments: str) -> ProbeRequest:
        """Return what the adapter would ask of its process."""
        pid = int(Path(self.box.ports.layout.bundle_path(uid), "pid").read_text())
        birth = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return ProbeRequest(
            pid=pid, birth=birth, context_path=str(self.context_path(uid)),
            arguments=arguments, timeout_s=DEADLINE_S,
        )  # fmt: skip


@pytest.fixture
async def helper() -> AsyncIterator[ProbeHelper]:
    async with ProbeHelper(runner=Runner()) as helper:
        yield helper


@pytest.fixture
async def doctor(box: Box, helper: ProbeHelper) -> Doctor:
    return Doctor(box, helper)


def list_programs() -> list[str]:
    """Return the command lines of all processes of the test host."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode().strip())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def find_helpers() -> list[int]:
    """Return the pids of the adapters' processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if b"probe_child" in path.read_bytes():
                found.append(int(path.parent.name))
    return found


async def wait_until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return as soon as the condition holds; TimeoutError after DEADLINE_S."""
    async with asyncio.timeout(DEADLINE_S):
        for _ in itertools.count():
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="plain"),
        pytest.param({"user": "7:8", "workingDir": "/tmp", "environment": {"A": "1=2"}}, id="user"),
        pytest.param({"capDrop": ["ALL"], "securityOpt": ["no-new-privileges"]}, id="less"),
        pytest.param({"capAdd": ["NET_ADMIN"], "securityOpt": ["seccomp=unconfined"]}, id="more"),
        pytest.param({"ulimits": {"nofile": "100:200"}, "oomScoreAdj": 500, "readOnly": True}, id="limits"),
    ],
)
async def test_a_check_is_a_process_as_exec_makes_them(doctor: Doctor, spec: dict[str, Any]) -> None:
    await doctor.box.ports.run(WEB, **spec)
    seen = await doctor.box.exec(ExecWant(arguments=("/bin/sh", "-c", f"exec 2>&1; {LOOK}")))
    outcome = await doctor.ask(shell(LOOK))
    assert doctor.enters_by_itself()
    if Cgroups.find(doctor.box.ports.layout.instance).unified_path is None:
        assert doctor.needs_no_copy() is ("ulimits" not in spec)
    assert outcome.output.splitlines() == seen.out.decode().splitlines()
    assert (outcome.exit_code, outcome.output.splitlines()[-1]) == (0, "done")


@pytest.mark.parametrize("spec", [{"capAdd": ["SYS_PTRACE"]}, {"privileged": True}])
async def test_what_could_seize_the_helper_is_left_to_the_runtime(
    doctor: Doctor, spec: dict[str, Any]
) -> None:
    await doctor.box.ports.run(WEB, **spec)
    assert await doctor.ask(shell("echo here; exit 3")) == ProbeOutcome(exit_code=3, output="here\n")
    assert not doctor.enters_by_itself()
    late = await doctor.ask(shell("echo begun; exec sleep 3333"), timeout_s=0.5)
    assert (late.exit_code, late.output.splitlines()[0]) == (-1, "the check took longer than 0.5 s: begun")
    await wait_until(lambda: not any("sleep 3333" in each for each in list_programs()))


async def test_exit_codes_and_output(doctor: Doctor) -> None:
    await doctor.box.ports.run(WEB)
    assert (await doctor.ask(shell("ulimit -Sn"))).output == "1024\n"
    assert await doctor.ask(shell("echo o; echo e >&2; exit 7")) == ProbeOutcome(exit_code=7, output="o\ne\n")
    assert (await doctor.ask(shell("kill -9 $$"))).exit_code == 137
    missing = await doctor.ask(ExecProbe(arguments=("nothing", "here")))
    assert missing == ProbeOutcome(exit_code=127, output="nothing: executable not found in the container")
    denied = await doctor.ask(ExecProbe(arguments=("/etc/passwd",)))
    assert (denied.exit_code, "Permission denied" in denied.output) == (126, True)
    long = await doctor.ask(shell("yes | head -c 100000; echo ok"))
    assert (long.exit_code, len(long.output)) == (0, 4096)


async def test_what_a_check_leaves_behind_does_not_hold_it_up(doctor: Doctor) -> None:
    await doctor.box.ports.run(WEB)
    assert await doctor.ask(shell("sleep 2222 & echo gone")) == ProbeOutcome(exit_code=0, output="gone\n")


async def test_a_check_that_takes_too_long_is_killed_with_all_of_it(doctor: Doctor) -> None:
    await doctor.box.ports.run(WEB)
    late = await doctor.ask(
        shell("trap '' TERM; echo begun; sleep 4444 & sleep 4444; echo on"), timeout_s=0.3
    )
    assert late == ProbeOutcome(exit_code=-1, output="the check took longer than 0.3 s: begun\n")
    await wait_until(lambda: not any("sleep 4444" in each for each in list_programs()))


async def test_a_check_that_is_given_up_is_killed(doctor: Doctor) -> None:
    await doctor.box.ports.run(WEB)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(doctor.ask(shell("sleep 5555")))
        await wait_until(lambda: any(each.startswith("sleep 5555") for each in list_programs()))
        task.cancel()
    await wait_until(lambda: not any("sleep 5555" in each for each in list_programs()))


async def test_many_at_once(doctor: Doctor) -> None:
    await doctor.box.ports.run(WEB)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(doctor.ask(shell(f"sleep 0.1; echo {number}"))) for number in range(40)]
    assert [task.result().output for task in tasks] == [f"{number}\n" for number in range(40)]


async def test_a_helper_that_dies_is_replaced(doctor: Doctor) -> None:
    await doctor.box.ports.run(WEB)
    assert (await doctor.ask(shell("true"))).exit_code == 0
    helpers = find_helpers()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_await_unavailable(doctor.ask(shell("sleep 6666"))))
        await wait_until(lambda: any(each.startswith("sleep 6666") for each in list_programs()))
        # By the end of this one the daemon has been told of the process of the other.
        assert (await doctor.ask(shell("sleep 0.2"))).exit_code == 0
        for pid in helpers:
            os.kill(pid, signal.SIGKILL)
    assert task.result()
    await wait_until(lambda: not any("sleep 6666" in each for each in list_programs()))
    assert (await doctor.ask(shell("true"))).exit_code == 0


async def test_the_program_of_the_helper_cannot_be_written_to(doctor: Doctor) -> None:
    """A check that is `#!/proc/self/exe` shows its container the file that the host runs (CVE-2019-5736)."""
    await doctor.box.ports.run(WEB)
    assert (await doctor.ask(shell("true"))).exit_code == 0
    (helper,) = find_helpers()
    assert Path(f"/proc/{helper}/exe").samefile(sys.executable)
    assert os.statvfs(f"/proc/{helper}/exe").f_flag & os.ST_RDONLY


async def test_without_room_for_a_thread_a_check_says_so(doctor: Doctor) -> None:
    await doctor.box.ports.run(WEB)
    assert (await doctor.ask(shell("true"))).exit_code == 0
    launcher = Launcher()
    context = Context(str(doctor.context_path()), {})
    fds = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
    before_bytes = threading.stack_size(1 << 46)
    try:
        launch = launcher.launch(context, ["true"], (fds[0], fds[1], fds[2]))
    finally:
        threading.stack_size(before_bytes)
        os.close(launcher.bell_fd)
        os.close(fds[1])
    assert launch.is_done()
    assert (launch.pid, isinstance(launch.error, BlockingIOError)) == (0, True)
    for fd in (fds[0], fds[2]):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


class Barred(ProbeHelper):
    """What a kernel without mount_setattr(2) has."""

    async def run(self, request: ProbeRequest) -> ProbeOutcome:
        raise Unsupported(f"no process for {request.context_path}")


async def test_where_the_helper_cannot_be_the_runtime_checks(box: Box) -> None:
    await box.ports.run(WEB)
    async with Barred(runner=Runner()) as helper:
        outcome = await Doctor(box, helper).ask(shell("echo here; exit 3"))
    assert outcome == ProbeOutcome(exit_code=3, output="here\n")


async def test_a_container_that_is_paused_meanwhile_holds_up_no_other(
    doctor: Doctor, helper: ProbeHelper
) -> None:
    for uid in (WEB, DB):
        await doctor.box.ports.run(uid)
        assert (await doctor.ask(shell("true"), uid=uid)).exit_code == 0
    await doctor.box.ports.freezer.pause(WEB)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(helper.run(doctor.request(WEB, "true"))) for _ in range(3)]
        for _ in range(20):
            assert (await helper.run(doctor.request(DB, "true"))).exit_code == 0
        assert not any(task.done() for task in waiting)
        await doctor.box.ports.freezer.resume(WEB)
    assert [task.result().exit_code for task in waiting] == [0, 0, 0]
    limit = "ulimit -Sn; ulimit -Hn"
    seen = await doctor.box.exec(ExecWant(arguments=("/bin/sh", "-c", "ulimit -Hn")))
    outcome = await helper.run(doctor.request(WEB, "/bin/sh", "-c", limit))
    assert outcome.output.split() == ["1024", seen.out.decode().strip()]


async def _await_unavailable(asked: Awaitable[ProbeOutcome]) -> bool:
    with pytest.raises(Unavailable):
        await asked
    return True


async def test_only_running_containers_are_checked(doctor: Doctor) -> None:
    with pytest.raises(NotFound):
        await doctor.ask(shell("true"))
    await doctor.box.ports.create(WEB)
    with pytest.raises(NotFound):
        await doctor.ask(TcpProbe(port=1))
    await doctor.box.ports.processes.start(WEB)
    await doctor.box.ports.freezer.pause(WEB)
    with pytest.raises(Conflict):
        await doctor.ask(shell("true"))
    await doctor.box.ports.freezer.resume(WEB)
    await doctor.box.ports.processes.signal(WEB, 9)
    await doctor.box.ports.wait_for(WEB, ProcessState.STOPPED)
    with pytest.raises(NotFound):
        await doctor.ask(shell("true"))


async def passes(doctor: Doctor, probe: Probe) -> bool:
    return (await doctor.ask(probe)).exit_code == 0


async def is_late(doctor: Doctor, probe: Probe) -> bool:
    return (await doctor.ask(probe, timeout_s=0.5)).output == "the check took longer than 0.5 s"


async def test_http_and_tcp(doctor: Doctor) -> None:
    script = "mkdir /www; echo hi > /www/index.html; exec httpd -f -p 127.0.0.1:8081 -h /www"
    await doctor.box.ports.run(WEB, command=["sh", "-c", script])
    await wait_until(lambda: passes(doctor, TcpProbe(port=8081)))
    assert await doctor.ask(HttpProbe(port=8081)) == ProbeOutcome(exit_code=0, output="200 OK\nhi")
    wrong = await doctor.ask(HttpProbe(port=8081, path="/nothing", headers={"X-A": "b"}))
    assert wrong.exit_code == 1
    assert wrong.output.startswith("GET http://127.0.0.1:8081/nothing: 404 Not Found")
    closed = ProbeOutcome(exit_code=1, output="port 1: connection refused")
    assert await doctor.ask(TcpProbe(port=1)) == closed
    tls = await doctor.ask(HttpProbe(port=8081, scheme="https"))
    assert tls.exit_code == 1


async def test_a_server_that_says_nothing_is_late(doctor: Doctor) -> None:
    await doctor.box.ports.run(WEB, command=["nc", "-l", "-p", "8082", "-e", "sleep", "100"])
    await wait_until(lambda: is_late(doctor, HttpProbe(port=8082)))


class _Servicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # generated, without types
    async def Check(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802 - the stub's signature
        if request.service not in ("", "shop"):
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        status = health_pb2.HealthCheckResponse
        return status(status=status.NOT_SERVING if request.service else status.SERVING)


async def test_grpc(doctor: Doctor) -> None:
    await doctor.box.ports.run(WEB)
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(_Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        assert await doctor.ask(GrpcProbe(port=port)) == ProbeOutcome(exit_code=0, output="SERVING")
        for service, words in (("shop", "NOT_SERVING"), ("x" * 200, "status 5")):
            outcome = await doctor.ask(GrpcProbe(port=port, service=service))
            assert (outcome.exit_code, words in outcome.output) == (1, True), outcome
    finally:
        await server.stop(None)
    assert (await doctor.ask(GrpcProbe(port=port))).exit_code == 1
