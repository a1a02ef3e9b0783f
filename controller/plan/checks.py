"""What `hold doctor` says: findings about the host judged against what hold needs."""

from collections.abc import Iterator

from controller.model.host import Check, CheckResult, HostProbe

_PACKAGES = {
    "conmon": "conmon",
    "iptables": "iptables",
    "iptables-restore": "iptables",
    "iptables-save": "iptables",
}
INIT_PROGRAMS = ("tini-static", "catatonit")
"""Inits for containers that need no library of theirs, in order of preference."""
_LEAST_KERNEL = (5, 2)
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
_CONTROLLERS = ("cpu", "memory", "pids")
_LOW_DISK_BYTES = 1 << 30


def judge_host(probe: HostProbe) -> tuple[Check, ...]:
    """Return every check, in a fixed order; whatever is not ok has a remedy."""
    return (
        _judge(
            "privileges",
            probe.effective_uid == 0,
            "the daemon runs as root" if probe.effective_uid == 0 else f"the daemon runs as uid {probe.effective_uid}",
            "run the daemon as root",
        ),
        _judge_kernel(probe),
        _judge_runtime(probe),
        *_judge_tools(probe),
        _judge_init(probe),
        *_judge_features(probe),
        _judge_cgroups(probe),
        _judge("firewall", not probe.firewall_error, probe.firewall_error or "the packet filter answers",
               "load the kernel modules nf_tables, nf_nat and xt_comment, or install iptables"),
        _judge_root(probe),
        _judge("run directory", not probe.run_error, probe.run_error or f"{probe.run_path} can be written",
               f"make {probe.run_path} writable, or choose another with --run"),
        _judge_resolvers(probe),
        _judge_journal(probe),
    )  # fmt: skip


def judge_registry(name: str, error: str) -> Check:
    """Return the check of a registry that the configuration names; `error` is why it does not answer."""
    remedy = (
        "see the settings registries, registryCertificates and the daemon's proxies, or start the registry"
    )
    return _judge(f"registry {name}", not error, error or "it answers", remedy, CheckResult.WARNING)


def _judge(name: str, good: object, message: str, remedy: str, bad: CheckResult = CheckResult.ERROR) -> Check:
    return Check(
        name=name, result=CheckResult.OK if good else bad, message=message, remedy="" if good else remedy
    )


def _judge_kernel(probe: HostProbe) -> Check:
    parts = probe.kernel_release.split("-")[0].split(".")
    version = tuple(int(part) for part in parts[:2] if part.isdigit())
    wanted = ".".join(str(number) for number in _LEAST_KERNEL)
    return _judge(
        "kernel", version >= _LEAST_KERNEL, f"Linux {probe.kernel_release}", f"boot Linux {wanted} or newer"
    )


def _judge_runtime(probe: HostProbe) -> Check:
    found = [tool for tool in ("crun", "runc") if probe.tools.get(tool)]
    message = f"found {' and '.join(found)}" if found else "neither crun nor runc is installed"
    return _judge("runtime", bool(found), message, "apt install crun (or runc)")


def _judge_tools(probe: HostProbe) -> Iterator[Check]:
    for tool, package in _PACKAGES.items():
        path = probe.tools.get(tool, "")
        yield _judge(tool, bool(path), path or "not installed", f"apt install {package}")


def _judge_init(probe: HostProbe) -> Check:
    found = next((path for tool in INIT_PROGRAMS if (path := probe.tools.get(tool, ""))), "")
    remedy = "apt install tini; without it containers with init (--init) can't start"
    return _judge("init", found, found or "not installed", remedy, CheckResult.WARNING)


def _judge_features(probe: HostProbe) -> Iterator[Check]:
    yield _judge(
        "overlayfs",
        "overlay" in probe.file_systems,
        "the kernel knows overlay" if "overlay" in probe.file_systems else "the kernel does not know overlay",
        "modprobe overlay, or build the kernel with CONFIG_OVERLAY_FS",
    )
    missing = [name for name in _NAMESPACES if name not in probe.namespaces]
    yield _judge(
        "namespaces",
        not missing,
        f"missing: {', '.join(missing)}" if missing else f"{', '.join(_NAMESPACES)}",
        "boot a kernel with these namespaces (CONFIG_NAMESPACES)",
    )
    yield _judge(
        "seccomp",
        probe.seccomp,
        "the kernel filters system calls" if probe.seccomp else "the kernel can't filter system calls",
        "boot a kernel with CONFIG_SECCOMP_FILTER; containers run less confined without it",
        CheckResult.WARNING,
    )


def _judge_cgroups(probe: HostProbe) -> Check:
    missing = [name for name in _CONTROLLERS if name not in probe.controllers]
    found = f"layout {probe.cgroup_layout}"
    message = f"{found}, missing controllers: {', '.join(missing)}" if missing else found
    return _judge("cgroups", not missing, message, "boot with these controllers on (cgroup_enable=memory)")


def _judge_root(probe: HostProbe) -> Check:
    name, path = "data directory", probe.root_path
    if probe.root_error:
        return _judge(name, None, probe.root_error, f"make {path} writable, or choose another with --root")
    if probe.root_file_system == "overlay":
        return _judge(
            name,
            None,
            f"{path} is on overlayfs, which can't carry writable layers",
            "put the data directory on ext4, xfs, btrfs or tmpfs with --root",
        )
    free = f"{probe.root_free_bytes >> 20} MiB free on {probe.root_file_system} below {path}"
    enough = probe.root_free_bytes >= _LOW_DISK_BYTES
    return _judge(name, enough, free, "free some disk space", CheckResult.WARNING)


def _judge_journal(probe: HostProbe) -> Check:
    found = probe.journal_error or probe.tools.get("journalctl") or "journalctl is not installed"
    good = not probe.journal_error and probe.tools.get("journalctl")
    remedy = "start systemd-journald; without it containers with log driver journald can't start"
    return _judge("journal", good, found, remedy, CheckResult.WARNING)


def _judge_resolvers(probe: HostProbe) -> Check:
    path = probe.resolv_conf_path
    message = f"{probe.resolvers} in {path}" if probe.resolvers else f"{path} names none"
    return _judge(
        "resolvers", bool(probe.resolvers), message, f"add a nameserver line to {path}", CheckResult.WARNING
    )
