"""The machine loses power and comes up again: another host, with the same data directory and another boot id.

Each boot is a test host of its own that runs this module with what is to be done there.
"""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.machine import Machine, fetch, wait_for

PORT = 8085
WRITER = "echo $1 >> /data/starts; exec sleep 1000"
SERVER = "cp -r /www /srv; exec httpd -f -p 80 -h /srv"


def draft(name: str, **fields: object) -> dict[str, Any]:
    """Return a container that ends at once when it is stopped."""
    spec = {"image": "box:1", "stopGracePeriod": 0, "command": ["sleep", "1000"], **fields}
    return {"apiVersion": "hold/v1", "kind": "Container", "metadata": {"name": name}, "spec": spec}


def draft_all() -> list[dict[str, Any]]:
    """Return dependants before what they depend on, in the order of names and of the manifest."""
    healthy = {"test": ["CMD", "test", "-s", "/data/starts"], "interval": "300ms"}
    return [
        draft("a-late", restart="on-failure:5", dependsOn={"b-web": {}}),
        draft(
            "b-web",
            command=["sh", "-c", SERVER],
            restart="unless-stopped",
            ports=[f"{PORT}:80"],
            dependsOn={"d-db": {"condition": "healthy"}, "c-init": {"condition": "completed"}},
        ),
        draft("c-init", command=["true"], init=False),
        draft("d-db", command=["sh", "-c", WRITER, "sh", "begun"], restart="always", mounts=["data:/data"],
              healthcheck=healthy),
        draft("failing", command=["sh", "-c", "exit 4"], restart="on-failure:2"),
        draft("once"),
        draft("halted", restart="always"),
        draft("unless", restart="unless-stopped"),
        {"apiVersion": "hold/v1", "kind": "Volume", "metadata": {"name": "data"}, "spec": {}},
    ]  # fmt: skip


ORDER = ("d-db", "b-web", "a-late")
REST = ("c-init", "failing", "halted", "once", "unless")


def read_phases(machine: Machine) -> dict[str, str]:
    items = json.loads(machine.succeed("get", "container", "-o", "json"))["items"]
    return {each["metadata"]["name"]: each["status"].get("phase", "") for each in items}


def begin(machine: Machine) -> None:
    """The first boot: everything runs, two are stopped; then the power fails."""
    machine.start_daemon()
    machine.import_image("box:1")
    machine.succeed("apply", "-f", "-", stdin=json.dumps({"kind": "List", "items": draft_all()}))
    machine.succeed("wait", "--for=condition=Ready", "container/a-late", "container/once", "--timeout=60s")
    machine.succeed("stop", "halted", "unless")
    wait_for(lambda: read_phases(machine)["failing"] == "Exited", "the retries to be used up")
    wait_for(lambda: "hello" in fetch(PORT), "the published port")
    machine.succeed("exec", "b-web", "sh", "-c", "echo kept > /kept")
    restart_daemon(machine)
    unsettled_path = machine.root_path / "images/unsettled"
    wait_for(lambda: not list(unsettled_path.iterdir()), "the image to be on disk")


def restart_daemon(machine: Machine) -> None:
    """A new daemon leaves everything as it is: what runs, what was stopped, what has no retries left."""
    names = (*REST, *ORDER)
    before = {name: machine.read_status(name) for name in names}
    machine.kill_daemon()
    machine.start_daemon()
    machine.succeed("run", "--rm", "box:1", "true")
    for name in names:
        assert machine.read_status(name) == before[name]


def go_on(machine: Machine) -> None:
    """The second boot: nothing that was before it is told, from the first answer on."""
    machine.start_daemon()
    assert read_phases(machine)["once"] == "Exited"
    wanted = dict.fromkeys(ORDER, "Running") | dict.fromkeys(REST, "Exited")
    wait_for(lambda: read_phases(machine) == wanted, "policies to be kept")
    check_order(machine)
    assert machine.read_status("once")["exitCode"] == 255
    assert machine.read_status("c-init")["exitCode"] == 0
    failed = machine.read_status("failing")
    assert (failed["exitCode"], failed["restarts"]) == (4, 2)
    wait_for(lambda: "hello" in fetch(PORT), "the published port")
    assert machine.succeed("exec", "b-web", "cat", "/kept") == "kept\n"
    assert machine.succeed("exec", "d-db", "cat", "/data/starts") == "begun\nbegun\n"
    status = machine.read_status("b-web")
    command_line = Path(f"/proc/{status['pid']}/cmdline").read_bytes()
    assert command_line.startswith(b"/dev/init\0--\0"), "the daemon's own default"
    assert machine.succeed("exec", "b-web", "sh", "-c", "ulimit -n; ulimit -Hn") == "100\n200\n"
    machine.succeed("exec", "b-web", "sh", "-c", "(sleep 0.1 &); true")
    listed = ("exec", "b-web", "ps", "-o", "stat,args")
    wait_for(lambda: "sleep" not in machine.succeed(*listed), "the orphan to be reaped")
    address = status["networks"][0]["ipv4"]
    assert f"inet {address}/" in machine.succeed("exec", "b-web", "ip", "addr")
    assert "Started" in machine.succeed("describe", "container", "b-web")
    machine.purge()


def check_order(machine: Machine) -> None:
    """All began after this boot, each after what it depends on."""
    statuses = [machine.read_status(name) for name in ORDER]
    begun = [datetime.fromisoformat(each["startedAt"]) for each in statuses]
    healthy_at = datetime.fromisoformat(statuses[0]["health"]["healthyAt"])
    assert begun[0].timestamp() > Path("/run/booted").stat().st_mtime
    assert begun[0] < healthy_at < begun[1] < begun[2], (begun, healthy_at)
    assert [each.get("restarts", 0) for each in statuses] == [1, 1, 1]


@pytest.mark.timeout(300)
def test_a_reboot(tmp_path: Path) -> None:
    if os.environ.get("HOLD_TEST_HOST") != "1":
        pytest.skip("needs a test host")
    for boot in ("first", "second"):
        command = [
            sys.executable,
            "-m",
            "tests.testhost",
            "--",
            sys.executable,
            "-m",
            "tests.e2e.test_reboot",
            boot,
        ]
        answer = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
        log = (tmp_path / "daemon.log").read_text()[-6000:]
        assert answer.returncode == 0, f"{boot} boot: {answer.stdout}{answer.stderr}\n{log}"


def boot(name: str, scratch_path: Path) -> None:
    """Be the machine for the time of one boot; the kernel's boot id is covered by another one."""
    Path("/run/booted").touch()
    boot_id_path = scratch_path / f"boot-{name}"
    boot_id_path.write_text(f"{name}\n")
    subprocess.run(["mount", "--bind", boot_id_path, "/proc/sys/kernel/random/boot_id"], check=True)
    machine = Machine(scratch_path, options=["--default-ulimits", "nofile=100:200", "--init", "true"])
    machine.run_path = Path("/run/hold")
    machine.environment["HOLD_HOST"] = f"unix://{machine.run_path}/hold.sock"
    {"first": begin, "second": go_on}[name](machine)


if __name__ == "__main__":
    boot(sys.argv[1], Path(sys.argv[2]))
