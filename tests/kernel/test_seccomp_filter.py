"""The system calls that a container may make: the filter compiled for crun, and the profile compiled by runc."""

import json
from pathlib import Path

import pytest

from controller.kernel.processes.fitting import BPF_ANNOTATION
from controller.kernel.processes.seccomp import FilterCompiler, select_architectures
from controller.plan.oci.capabilities import DEFAULT_CAPABILITIES
from controller.plan.oci.seccomp import render_seccomp
from controller.ports import ExecWant
from tests.contract.containers import WEB
from tests.kernel.box import Box

REFUSED = {
    "unshare": "unshare -U true",
    "mount": "mount -t tmpfs tmpfs /srv",
    "umount2": "umount /proc",
    "swapon": "swapon /etc/passwd",
    "setns": "nsenter -t 1 -u true",
    "pivot_root": "pivot_root / /srv",
    "sethostname": "hostname other",
}
"""Programs that make a call which nobody may make, whatever the capabilities."""
ALLOWED = (
    "true",
    "ls /",
    "mkdir /made",
    "chown 7:8 /made",
    "mknod /made/pipe p",
    "chroot / true",
)


async def test_a_process_is_filtered(box: Box) -> None:
    await box.ports.run(WEB)
    facts = await box.ports.processes.read(WEB)
    assert facts is not None
    assert _read_mode(facts.pid) == "2"


async def test_further_processes_are_filtered(box: Box) -> None:
    await box.ports.run(WEB)
    for privileged in (False, True):
        want = ExecWant(arguments=("grep", "^Seccomp:", "/proc/self/status"), privileged=privileged)
        assert (await box.exec(want)).out.split() == [b"Seccomp:", b"2"]


@pytest.mark.parametrize("call", REFUSED)
async def test_the_filter_refuses_what_capabilities_would_allow(box: Box, call: str) -> None:
    await box.ports.run(WEB)
    want = ExecWant(arguments=("sh", "-c", f"mkdir -p /srv; {REFUSED[call]}"), privileged=True)
    output = await box.exec(want)
    assert output.code != 0
    assert b"not permitted" in output.err or b"permission denied" in output.err


async def test_ordinary_calls_are_allowed(box: Box) -> None:
    script = "; ".join(f"{command} >/dev/null || echo {command}" for command in ALLOWED)
    assert await box.run(f"{script}; echo done") == ["done"]


async def test_crun_is_given_the_compiled_filter(box: Box) -> None:
    await box.ports.run(WEB)
    config = _read_config(box)
    compiled = FilterCompiler().compile(select_architectures(render_seccomp(DEFAULT_CAPABILITIES)))
    assert compiled is not None
    if "seccomp" in config["linux"]:
        assert BPF_ANNOTATION not in config["annotations"]
        assert config["linux"]["seccomp"] == select_architectures(render_seccomp(DEFAULT_CAPABILITIES))
    else:
        assert config["annotations"][BPF_ANNOTATION] == compiled


def _read_config(box: Box) -> dict[str, dict[str, object]]:
    path = Path(box.ports.layout.bundle_path(WEB), "config.json")
    config: dict[str, dict[str, object]] = json.loads(path.read_text())
    return config


def _read_mode(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("Seccomp:"))
