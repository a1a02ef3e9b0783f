"""What a container can do and see, from inside, on the real kernel."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.kernel import syscalls
from tests.bench.engines import Engine
from tests.compare.__main__ import run_probe
from tests.compare.verdict import is_closed
from tests.e2e.conftest import IMAGE, running_machine
from tests.machine import PROGRAM, Machine, wait_for

ALLOWED = {
    "socket packet",  # NET_RAW is one of Docker's capabilities
    "socket raw",
    "read /proc/kallsyms",  # without addresses
    "open to write /proc/self/oom_score_adj",  # only upwards
    "make a cgroup in /sys/fs/cgroup",  # on cgroup v1 a file system in memory of its own
}
"""What the probe may do, as under Docker; `make compare` asks Docker itself."""
RUNTIMES = ("crun", "runc")


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine whose directories let every user through, which those of pytest do not."""
    if os.environ.get("HOLD_TEST_HOST") != "1":
        pytest.skip("needs a test host")
    with tempfile.TemporaryDirectory(prefix="hold-e2e-", dir="/var/tmp") as scratch:
        Path(scratch).chmod(0o755)
        with running_machine(Path(scratch)) as running:
            yield running
        for name in ("rootfs", "netns"):  # they stay mounted by design
            syscalls.umount2(f"{scratch}/run/{name}", syscalls.MNT_DETACH)


def _make_engine(machine: Machine) -> Engine:
    return Engine(name="hold", command=(PROGRAM,), environment=machine.environment)


def test_what_is_forbidden_is_refused(machine: Machine) -> None:
    answers = run_probe(_make_engine(machine), image=IMAGE)
    attempts = {
        name: answer
        for name, answer in answers.items()
        if not name.startswith(("state", "own namespace")) and name not in ("devices", "processes")
    }
    assert {name for name, answer in attempts.items() if not is_closed(answer)} <= ALLOWED
    assert {name: answers[name] for name in ("state CapBnd", "state CapAmb", "state Seccomp", "processes")} == {
        "state CapBnd": "00000000a80425fb", "state CapAmb": "0000000000000000", "state Seccomp": "2", "processes": "1",
    }  # fmt: skip
    assert all(answer == "True" for name, answer in answers.items() if name.startswith("own namespace"))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_options_are_seen_from_inside(machine: Machine, runtime: str) -> None:
    def run(*words: str) -> str:
        return machine.succeed("run", "--rm", "--runtime", runtime, *words)

    status = ("grep", "-E", "CapBnd|NoNewPrivs|Seccomp:", "/proc/self/status")
    flags = ("--cap-drop", "all", "--cap-add", "net_raw", "--security-opt", "no-new-privileges")
    assert run(*flags, "--security-opt", "seccomp=unconfined", IMAGE, *status).split()[1::2] == [
        "0000000000002000", "1", "0",
    ]  # fmt: skip
    mounted = (
        "mount -t tmpfs x /tmp && ls /dev/full && touch /sys/fs/cgroup/memory/memory.swappiness && echo done"
    )
    assert "done" in run("--privileged", IMAGE, "sh", "-c", mounted)
    names = ("--sysctl", "net.core.somaxconn=77", "--domainname", "example.org", "-h", "box")
    files = ("/proc/sys/net/core/somaxconn", "/proc/sys/kernel/domainname", "/proc/sys/kernel/hostname")
    assert run(*names, IMAGE, "cat", *files).split() == ["77", "example.org", "box"]
    groups = run("--group-add", "web", "--group-add", "77", IMAGE, "id", "-G")
    assert set(groups.split()) == {"0", "77", "1000"}
    assert "/dev/init -- ps" in run("--init", IMAGE, "ps", "-o", "args")
    assert " 1024 " in run("--shm-size", "1m", IMAGE, "df", "/dev/shm")
    device = ("--device", "/dev/zero:/dev/mine", "--device-cgroup-rule", "c 10:200 r")
    assert run(*device, IMAGE, "stat", "-c", "%t:%T", "/dev/mine") == "1:5\n"
    tmpfs = run("--tmpfs", "/t:size=64k,exec,mode=700", IMAGE, "grep", " /t ", "/proc/self/mounts")
    assert "noexec" not in tmpfs
    assert "size=64k,mode=700" in tmpfs
    assert int(run("--userns", "auto", IMAGE, "cat", "/proc/self/uid_map").split()[1]) >= 1 << 30


def test_own_filters_of_system_calls(machine: Machine, scratch: Path) -> None:
    profile = scratch / "profile.json"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13, "args": None}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    option = f"seccomp={profile}"
    answer = machine.hold("run", "--rm", "--security-opt", option, IMAGE, "mkdir", "/x")
    assert (answer.returncode, "Permission denied" in answer.stderr) == (1, True)
    profile.write_text("{}")
    wrong = machine.hold("run", "--rm", "--security-opt", option, IMAGE, "true")
    assert (wrong.returncode, "defaultAction" in wrong.stderr) == (125, True)


def _is_running(machine: Machine, name: str) -> Callable[[], bool]:
    return lambda: machine.read_status(name)["phase"] == "Running"


def test_namespaces_of_another_container(machine: Machine) -> None:
    machine.succeed(
        "run", "-d", "--name", "web", "-h", "shop", "--ipc", "shareable", "-v", "/own", IMAGE, "sleep", "1000"
    )
    shared = machine.succeed(
        "run", "--rm", "--pid", "container:web", "--ipc", "container:web", "--network", "container:web",
        IMAGE, "sh", "-c", "ps -o args | head -2 | tail -1; hostname; ip -o addr show eth0; echo hi > /dev/shm/x",
    )  # fmt: skip
    address = machine.read_status("web")["networks"][0]["ipv4"]
    assert shared.startswith("sleep 1000\nshop\n")
    assert address in shared
    assert machine.succeed("exec", "web", "cat", "/dev/shm/x") == "hi\n"
    taken = machine.hold("run", "--rm", "--volumes-from", "web:ro", IMAGE, "touch", "/own/x")
    assert "Read-only file system" in taken.stderr
    machine.succeed(
        "run",
        "-d",
        "--name",
        "follower",
        "--network",
        "container:web",
        "--stop-signal",
        "KILL",
        IMAGE,
        "sleep",
        "1000",
    )
    pid = machine.read_pid("follower")
    machine.succeed("restart", "-t", "0", "web")
    assert machine.read_pid("follower") == pid
    machine.succeed("stop", "-t", "0", "web")
    wait_for(lambda: machine.read_pid("follower") == 0, "the follower to stop")
    machine.succeed("start", "web")
    wait_for(_is_running(machine, "follower"), "the follower to come back")
    assert address in machine.succeed("exec", "follower", "ip", "-o", "addr", "show", "eth0")
    assert "Container/follower" in machine.hold("rm", "-f", "web").stderr
    machine.succeed("rm", "-f", "follower")
    machine.succeed("rm", "-f", "-v", "web")
    assert machine.succeed("volume", "ls", "-q").split() == []


def test_hosts_follow_while_the_process_runs_on(machine: Machine) -> None:
    machine.succeed("network", "create", "more")
    machine.succeed("run", "-d", "--name", "db", IMAGE, "sleep", "1000")
    machine.succeed(
        "run",
        "-d",
        "--name",
        "web",
        "--link",
        "db:sql",
        "--add-host",
        "up:host-gateway",
        IMAGE,
        "sleep",
        "1000",
    )
    pid = machine.read_pid("web")
    before = machine.succeed("exec", "web", "cat", "/etc/hosts")
    assert f"{machine.read_status('db')['networks'][0]['ipv4']}\tsql " in before
    assert f"{machine.read_status('web')['networks'][0]['gateway']}\tup\n" in before
    document = json.loads(machine.succeed("get", "container", "web", "-o", "json"))
    document["spec"] |= {"extraHosts": [{"hostname": "new", "address": "192.0.2.9"}]}
    document["spec"]["networks"].append({"name": "more"})
    machine.succeed(
        "apply",
        "-f",
        "-",
        stdin=json.dumps(
            {key: document[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "web"}}
        ),
    )
    wait_for(lambda: "192.0.2.9\tnew" in machine.succeed("exec", "web", "cat", "/etc/hosts"), "the new name")
    assert (
        len(
            [
                line
                for line in machine.succeed("exec", "web", "cat", "/etc/hosts").splitlines()
                if line.endswith(document["metadata"]["uid"][:12])
            ]
        )
        == 2
    )
    assert machine.read_pid("web") == pid
    for name in ("web", "db"):
        machine.succeed("rm", "-f", name)
    machine.succeed("network", "rm", "more")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_mounts_spread_as_asked(machine: Machine, runtime: str, scratch: Path) -> None:
    source, late, early = scratch / "source", scratch / "source/late", scratch / "source/early"
    source.mkdir()
    syscalls.mount("x", str(source), "tmpfs")
    try:
        late.mkdir()
        refused = machine.hold("run", "--rm", "-v", f"{source}:/p:shared", IMAGE, "true")
        assert (refused.returncode, "mount --make-shared" in refused.stderr) == (125, True)
        syscalls.mount("", str(source), flags=1 << 20)  # MS_SHARED
        volumes = [
            word
            for pair in (("p", "rshared"), ("s", "rslave"), ("q", "rprivate"))
            for word in ("-v", f"{source}:/{pair[0]}:{pair[1]}")
        ]
        machine.succeed(
            "run",
            "-d",
            "--name",
            "spread",
            "--runtime",
            runtime,
            "--cap-add",
            "SYS_ADMIN",
            *volumes,
            IMAGE,
            "sleep",
            "1000",
        )
        syscalls.mount("fromhost", str(late), "tmpfs")
        seen = machine.succeed("exec", "spread", "grep", "fromhost", "/proc/self/mounts")
        assert [line.split()[1] for line in seen.splitlines()] == ["/p/late", "/s/late"]
        machine.succeed("exec", "spread", "sh", "-c", "mkdir /p/early && mount -t tmpfs frominside /p/early")
        assert f"frominside {early}" in Path("/proc/mounts").read_text()
        syscalls.umount2(str(early))
        machine.succeed("rm", "-f", "spread")

        def touch(recursive: str) -> int:
            mount = f"type=bind,src={source},dst=/p,ro{recursive}"
            return machine.hold(
                "run", "--rm", "--runtime", runtime, "--mount", mount, IMAGE, "touch", "/p/late/x"
            ).returncode

        assert (touch(""), touch(",bind-recursive=writable")) == (1, 0)
        flat = f"type=bind,src={source},dst=/p,bind-recursive=disabled"
        found = machine.succeed(
            "run", "--rm", "--runtime", runtime, "--mount", flat, IMAGE, "cat", "/proc/self/mounts"
        )
        assert "fromhost" not in found
    finally:
        machine.hold("rm", "-f", "spread")
        syscalls.umount2(str(source), syscalls.MNT_DETACH)


def test_volumes_without_a_name_and_parts_of_volumes(machine: Machine) -> None:
    machine.succeed(
        "run",
        "--rm",
        "-v",
        "/gone",
        "-v",
        "kept:/kept",
        IMAGE,
        "sh",
        "-c",
        "mkdir -p /kept/a && echo x > /kept/a/b && ln -s / /kept/l",
    )
    wait_for(
        lambda: machine.succeed("volume", "ls", "-q").split() == ["kept"], "the volume without a name to go"
    )

    def read(subpath: str, place: str) -> "tuple[int, str, str]":
        mount = f"type=volume,src=kept,dst=/x,ro,volume-subpath={subpath}"
        answer = machine.hold("run", "--rm", "--mount", mount, IMAGE, "cat", place)
        return answer.returncode, answer.stdout, answer.stderr

    assert read("a", "/x/b")[:2] == read("a/b", "/x")[:2] == (0, "x\n")
    code, _, words = read("l/etc", "/x")
    assert (code, "the volume has no l/etc" in words) == (125, True)
    wait_for(lambda: machine.hold("volume", "rm", "kept").returncode == 0, "the last container to go")


def test_mounted_images_belong_to_the_users_of_the_container(machine: Machine) -> None:
    for part, place in (("", "/i/bin"), (",image-subpath=bin", "/i")):
        mount = f"type=image,source={IMAGE},target=/i{part}"
        script = f"stat -c %u {place}/busybox; touch {place}/x 2>/dev/null; echo $?"
        said = machine.succeed("run", "--rm", "--userns", "auto", "--mount", mount, IMAGE, "sh", "-c", script)
        assert said.split() == ["0", "1"], mount


def test_users_of_its_own(machine: Machine) -> None:
    script = "echo x > /v/f && chown 5:6 /v/f && touch /mine && chmod 4755 /mine && sleep 1000"
    flags = (
        "--userns",
        "auto",
        "--runtime",
        "runc",
        "-v",
        "mapped:/v",
        "-v",
        f"{machine.scratch_path}:/host",
    )
    machine.succeed(
        "run",
        "-d",
        "--name",
        "mapped",
        "--sysctl",
        "net.core.somaxconn=77",
        *flags,
        IMAGE,
        "sh",
        "-c",
        script,
    )
    wait_for(lambda: machine.hold("exec", "mapped", "test", "-u", "/mine").returncode == 0, "the script")
    base = int(machine.succeed("exec", "mapped", "cat", "/proc/self/uid_map").split()[1])
    assert base >= 1 << 30
    assert Path(f"/proc/{machine.read_pid('mapped')}").stat().st_uid == base
    owners = "stat -c %u:%g /v/f /mine /bin/busybox /host; cat /proc/sys/net/core/somaxconn"
    assert machine.succeed("exec", "mapped", "sh", "-c", owners).split() == [
        "5:6",
        "0:0",
        "0:0",
        "65534:65534",
        "77",
    ]
    (stored,) = (machine.root_path / "volumes").glob("*/_data/f")
    assert (stored.stat().st_uid, stored.stat().st_gid) == (5, 6)
    for denied in ("touch /host/x", "mount -t tmpfs x /tmp", "mknod /n c 1 1", "hostname x"):
        assert machine.hold("exec", "mapped", "sh", "-c", denied).returncode != 0
    document = json.loads(machine.succeed("get", "container", "mapped", "-o", "json"))
    del document["spec"]["userNamespace"]
    document["spec"] |= {"command": ["sleep", "1000"], "stopGracePeriod": 0}
    pid = machine.read_pid("mapped")
    machine.succeed("apply", "-f", "-", stdin=_strip(document))
    wait_for(lambda: machine.read_pid("mapped") not in (0, pid), "a new process")
    wait_for(_is_running(machine, "mapped"), "the new process")
    seen = machine.succeed("exec", "mapped", "stat", "-c", "%u %a", "/mine", "/v/f")
    assert seen.splitlines() == ["0 4755", "5 644"]
    machine.succeed("rm", "-f", "mapped")
    machine.succeed("volume", "rm", "mapped")


def test_users_of_its_own_need_a_way_through(machine: Machine) -> None:
    machine.run_path.chmod(0o700)
    try:
        answer = machine.hold("run", "--rm", "--userns", "auto", IMAGE, "true")
    finally:
        machine.run_path.chmod(0o755)
    assert (answer.returncode, f"chmod o+x {machine.run_path}" in answer.stderr) == (125, True), answer.stderr


def _strip(document: dict[str, Any]) -> str:
    """Return the object as its writer would have it."""
    kept = {key: document[key] for key in ("apiVersion", "kind", "spec")}
    return json.dumps(kept | {"metadata": {"name": document["metadata"]["name"]}})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--device", "/dev/nosuch"), "no device /dev/nosuch"),
        (("--device", "/etc/passwd"), "is not a device"),
        (("--mount", "type=bind,src=/nosuch,dst=/x"), "/nosuch of the host"),
        (("--sysctl", "vm.swappiness=1"), "belongs to the whole host"),
        (("--cap-add", "NET_ADMN"), "is not a capability"),
        (("--security-opt", "apparmor=nosuch"), "AppArmor"),
        (("--cgroup-parent", "/x"), "--cgroup-parent"),
        (("--group-add", "nosuch"), "group nosuch"),
        (("--network", "container:nosuch"), "Container/nosuch does not exist"),
        (("--add-host", "x"), "is not an extra host"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_told(machine: Machine, words: tuple[str, ...], told: str) -> None:
    answer = machine.hold("run", "--rm", *words, IMAGE, "true")
    assert (answer.returncode, told in answer.stderr) == (125, True), answer.stderr
