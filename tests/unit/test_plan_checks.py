"""What `hold doctor` concludes from what was found."""

from dataclasses import replace

import pytest

from controller.model.host import CheckResult, HostProbe
from controller.plan.checks import judge_host, judge_registry

GOOD = HostProbe(
    effective_uid=0,
    kernel_release="6.1.0-28-amd64",
    tools={
        "crun": "/usr/bin/crun",
        "runc": "",
        "conmon": "/usr/bin/conmon",
        "tini-static": "/usr/bin/tini-static",
        "journalctl": "/usr/bin/journalctl",
        "iptables": "/usr/sbin/iptables",
        "iptables-restore": "/usr/sbin/iptables-restore",
        "iptables-save": "/usr/sbin/iptables-save",
    },
    file_systems=frozenset({"overlay", "ext4"}),
    namespaces=frozenset({"cgroup", "ipc", "mnt", "net", "pid", "uts", "user"}),
    controllers=frozenset({"cpu", "memory", "pids"}),
    cgroup_layout="v2",
    seccomp=True,
    root_path="/var/lib/hold",
    root_file_system="ext4",
    root_free_bytes=50 << 30,
    root_error="",
    run_path="/run/hold",
    run_error="",
    resolvers=1,
    resolv_conf_path="/etc/resolv.conf",
    firewall_error="",
    journal_error="",
)


def test_a_good_host_has_nothing_to_mend() -> None:
    checks = judge_host(GOOD)
    assert {check.result for check in checks} == {CheckResult.OK}
    assert [check.remedy for check in checks if check.remedy] == []


@pytest.mark.parametrize(
    ("change", "name", "result", "word"),
    [
        ({"effective_uid": 1000}, "privileges", "error", "root"),
        ({"kernel_release": "4.19.0"}, "kernel", "error", "5.2"),
        ({"tools": {**GOOD.tools, "crun": ""}}, "runtime", "error", "apt install crun"),
        ({"tools": {**GOOD.tools, "conmon": ""}}, "conmon", "error", "apt install conmon"),
        ({"tools": {**GOOD.tools, "tini-static": ""}}, "init", "warning", "apt install tini"),
        ({"tools": {**GOOD.tools, "iptables-save": ""}}, "iptables-save", "error", "apt install iptables"),
        ({"file_systems": frozenset({"ext4"})}, "overlayfs", "error", "overlay"),
        ({"namespaces": frozenset({"mnt"})}, "namespaces", "error", "kernel"),
        ({"seccomp": False}, "seccomp", "warning", "CONFIG_SECCOMP_FILTER"),
        ({"controllers": frozenset({"cpu", "pids"})}, "cgroups", "error", "cgroup_enable=memory"),
        ({"firewall_error": "iptables: no such table"}, "firewall", "error", "nf_tables"),
        ({"root_file_system": "overlay"}, "data directory", "error", "--root"),
        ({"root_error": "/var/lib/hold: read-only file system"}, "data directory", "error", "--root"),
        ({"root_free_bytes": 5 << 20}, "data directory", "warning", "disk"),
        ({"run_error": "/run/hold: permission denied"}, "run directory", "error", "--run"),
        ({"resolvers": 0}, "resolvers", "warning", "nameserver"),
        ({"journal_error": "it is missing"}, "journal", "warning", "systemd-journald"),
    ],
)
def test_each_lack_is_named_with_what_to_do(
    change: dict[str, object], name: str, result: str, word: str
) -> None:
    checks = {check.name: check for check in judge_host(replace(GOOD, **change))}  # type: ignore[arg-type]
    assert (checks[name].result, word in checks[name].remedy) == (result, True)
    assert [other.name for other in checks.values() if other.result is not CheckResult.OK] == [name]


def test_a_registry_that_does_not_answer_is_a_warning() -> None:
    assert judge_registry("reg.example", "").result is CheckResult.OK
    check = judge_registry("reg.example", "it can't be reached")
    assert (check.name, check.result, check.message) == (
        "registry reg.example",
        CheckResult.WARNING,
        "it can't be reached",
    )
    assert "registryCertificates" in check.remedy
