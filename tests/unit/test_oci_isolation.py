"""What a runtime is told about capabilities, devices, namespaces, confinement and files, from a spec."""

import json
from dataclasses import replace
from typing import Any

import pytest

from controller.errors import Refused
from controller.model.container import Container
from controller.model.facts import AccountFiles, DeviceNode
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.resources import Ulimit, UlimitName
from controller.model.wants import ProcessWant, ShallowWant, SharedMemoryWant, SubpathWant
from controller.plan.oci.capabilities import DEFAULT_CAPABILITIES
from controller.plan.oci.defaults import ContainerDefaults
from controller.plan.oci.render import render_process
from controller.plan.oci.surroundings import HostTexts, Peer, Surroundings

UID, PEER = "a" * 32, "b" * 32
HOST = HostTexts(
    resolv_conf="search host.example\nnameserver 9.9.9.9\noptions rotate\n",
    hosts="127.0.0.1 box\n",
    hostname="box",
    machine="x86_64",
    kernel_release="6.1.0-amd64",
    init_path="/usr/bin/tini-static",
)
FUSE = DeviceNode(path="/dev/fuse", kind="c", major=10, minor=229, mode=0o666, uid=0, gid=5)
DISK = DeviceNode(path="/dev/vd/a", kind="b", major=254, minor=1, mode=0o660, uid=0, gid=6)
SURROUNDINGS = Surroundings(
    layout=Layout(root_path="/var/lib/hold", run_path="/run/hold", instance="hold"),
    accounts=AccountFiles(passwd="root:x:0:0::/root:/bin/sh\n", group="root:x:0:\nweb:x:33:\n"),
    host=HOST,
    volumes={"data": Uid("c" * 32)},
    devices={"/dev": (FUSE, DISK), "/dev/fuse": (FUSE,), "/dev/vd": (DISK,)},
    peers={"web": Peer(uid=Uid(PEER), pid=77)},
)


def _make(name: str, uid: str, spec: dict[str, Any], addresses: dict[str, str]) -> Container:
    networks = {key: {"ipv4": address, "mac": "02:00:00:00:00:01"} for key, address in addresses.items()}
    document = {"metadata": {"name": name, "uid": uid}, "assigned": {"networks": networks}}
    return Container.model_validate(document | {"spec": {"rootfs": "/r", "command": ["serve"], **spec}})


def _render(
    surroundings: Surroundings = SURROUNDINGS, /, **spec: object
) -> tuple[ProcessWant, dict[str, Any]]:
    want = render_process(_make("own", UID, spec, {"net": "10.1.0.2"}), surroundings)
    return want, json.loads(want.config_json)


def _name_caps(*names: str) -> set[str]:
    return {f"CAP_{name}" for name in names}


@pytest.mark.parametrize(
    ("spec", "gained", "lost"),
    [
        ({}, set(), set()),
        ({"capAdd": ["NET_ADMIN"]}, _name_caps("NET_ADMIN"), set()),
        ({"capDrop": ["MKNOD", "chown"]}, set(), _name_caps("MKNOD", "CHOWN")),
        ({"capDrop": ["ALL"], "capAdd": ["KILL"]}, set(), set(DEFAULT_CAPABILITIES) - _name_caps("KILL")),
    ],
)
def test_capabilities(spec: dict[str, Any], gained: set[str], lost: set[str]) -> None:
    held = set(_render(**spec)[1]["process"]["capabilities"]["bounding"])
    assert (held - set(DEFAULT_CAPABILITIES), set(DEFAULT_CAPABILITIES) - held) == (gained, lost)


def test_all_capabilities_but_one() -> None:
    held = _render(capAdd=["ALL"], capDrop=["SYS_ADMIN"])[1]["process"]["capabilities"]
    assert (len(held["bounding"]), "CAP_SYS_ADMIN" in held["bounding"]) == (40, False)


def _find_action(config: dict[str, Any], call: str) -> str:
    rules = [
        rule
        for rule in config["linux"]["seccomp"]["syscalls"]
        if call in rule["names"] and not rule.get("args")
    ]
    return str(rules[0]["action"]) if rules else "conditional"


@pytest.mark.parametrize(
    ("capability", "calls"),
    [
        ("SYS_ADMIN", ("mount", "unshare", "setns", "clone", "clone3", "bpf")),
        ("SYS_PTRACE", ("kcmp", "pidfd_getfd", "process_madvise")),
        ("SYS_MODULE", ("init_module",)),
        ("SYS_TIME", ("settimeofday", "clock_settime")),
        ("SYS_BOOT", ("reboot",)),
        ("DAC_READ_SEARCH", ("open_by_handle_at",)),
    ],
)
def test_a_capability_opens_its_calls(capability: str, calls: tuple[str, ...]) -> None:
    _, plain = _render()
    _, capable = _render(capAdd=[capability])
    for call in calls:
        assert _find_action(plain, call) != "SCMP_ACT_ALLOW"
        assert _find_action(capable, call) == "SCMP_ACT_ALLOW"


def test_a_capability_taken_away_closes_its_calls() -> None:
    assert _find_action(_render()[1], "chroot") == "SCMP_ACT_ALLOW"
    assert _find_action(_render(capDrop=["SYS_CHROOT"])[1], "chroot") == "SCMP_ACT_ERRNO"


def test_a_privileged_container_is_not_confined() -> None:
    _, config = _render(privileged=True)
    linux = config["linux"]
    assert "seccomp" not in linux
    assert linux["maskedPaths"] == linux["readonlyPaths"] == []
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert [node["path"] for node in linux["devices"]] == ["/dev/fuse", "/dev/vd/a"]
    assert len(config["process"]["capabilities"]["effective"]) == 41
    options = {mount["destination"]: mount["options"] for mount in config["mounts"]}
    assert "ro" not in options["/sys"]
    assert "ro" not in options["/sys/fs/cgroup"]


def test_security_options() -> None:
    _, config = _render(securityOpt=["no-new-privileges", "apparmor=p", "label=type:t", "label=level:s0:c1"])
    process = config["process"]
    assert (process["noNewPrivileges"], process["apparmorProfile"]) == (True, "p")
    assert process["selinuxLabel"] == config["linux"]["mountLabel"] == "system_u:system_r:t:s0:c1"
    assert "seccomp" not in _render(securityOpt=["seccomp=unconfined"])[1]["linux"]
    paths = {"maskedPaths": ["/proc/a"], "readonlyPaths": []}
    linux = _render(securityOpt=paths)[1]["linux"]
    assert (linux["maskedPaths"], linux["readonlyPaths"]) == (["/proc/a"], [])


PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}, {"architecture": "SCMP_ARCH_AARCH64"}],
    "syscalls": [
        {"names": ["always"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["admin"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["not_admin"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["new"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.2"}},
        {"names": ["old"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["arm"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
        {"names": ["intel"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "includes": {"arches": ["amd64"]}},
        {"name": "masked", "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2**63, "op": "SCMP_CMP_MASKED_EQ"}]},
    ],
}  # fmt: skip


def test_an_own_profile_is_cut_to_what_counts_here() -> None:
    seccomp = _render(securityOpt={"seccompProfile": PROFILE})[1]["linux"]["seccomp"]
    assert seccomp["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert (seccomp["defaultAction"], seccomp["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 38)
    names = [name for rule in seccomp["syscalls"] for name in rule["names"]]
    assert names == ["always", "not_admin", "old", "intel", "masked"]
    assert seccomp["syscalls"][3]["errnoRet"] == 1
    assert seccomp["syscalls"][4]["args"] == [
        {"index": 0, "value": 2**63, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    ]


def test_devices() -> None:
    linux = _render(devices=["/dev/fuse:/dev/x:r", "/dev/vd:/disks"], deviceCgroupRules=["c 7:* rm"])[1][
        "linux"
    ]
    assert linux["devices"] == [
        {"path": "/dev/x", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666, "uid": 0, "gid": 5},
        {"path": "/disks/a", "type": "b", "major": 254, "minor": 1, "fileMode": 0o660, "uid": 0, "gid": 6},
    ]
    assert linux["resources"]["devices"][-3:] == [
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"},
        {"allow": True, "type": "b", "major": 254, "minor": 1, "access": "rwm"},
        {"allow": True, "type": "c", "access": "rm", "major": 7},
    ]


def test_modes_decide_on_namespaces() -> None:
    def list_namespaces(**spec: object) -> dict[str, str | None]:
        return {each["type"]: each.get("path") for each in _render(**spec)[1]["linux"]["namespaces"]}

    own = list_namespaces()
    for kind, spec in (("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroup")):
        assert own.keys() - list_namespaces(**{spec: "host"}).keys() == {kind}
    joined = list_namespaces(pid="container:web", ipc="container:web")
    assert (joined["pid"], joined["ipc"]) == ("/proc/77/ns/pid", "/proc/77/ns/ipc")
    assert "hostname" not in _render(uts="host")[1]


def test_another_containers_network() -> None:
    web = _make(
        "web",
        PEER,
        {"hostname": "shop", "networks": ["net"], "extraHosts": ["x:1.2.3.4"]},
        {"net": "10.1.0.9"},
    )
    want, config = _render(
        replace(SURROUNDINGS, network_peer=web, nameservers=("10.1.0.1",)), networkMode="container:web"
    )
    assert {"type": "network", "path": f"/run/hold/netns/{PEER}"} in config["linux"]["namespaces"]
    assert (config["hostname"], config["linux"]["sysctl"]) == ("shop", {})
    assert dict(want.files)["hosts"] == "127.0.0.1\tlocalhost\n10.1.0.9\tshop\n1.2.3.4\tx\n"
    host = _make("web", PEER, {"networkMode": "host"}, {})
    _, config = _render(replace(SURROUNDINGS, network_peer=host), networkMode="container:web")
    assert "network" not in {each["type"] for each in config["linux"]["namespaces"]}


def test_sysctls() -> None:
    settings = _render(sysctls={"net.ipv4.ip_unprivileged_port_start": "80"}, domainname="x")[1]["linux"][
        "sysctl"
    ]
    assert settings["net.ipv4.ip_unprivileged_port_start"] == "80"
    assert settings["kernel.domainname"] == "x"


def test_shared_memory() -> None:
    def find(**spec: object) -> tuple[ProcessWant, dict[str, Any] | None]:
        want, config = _render(**spec)
        return want, next((each for each in config["mounts"] if each["destination"] == "/dev/shm"), None)

    own = find(shmSize="1m")[1]
    assert own is not None
    assert "size=1048576" in own["options"]
    want, shared = find(ipc="shareable")
    path = f"/run/hold/rootfs/.staged/{UID}/shm"
    assert want.staged == (SharedMemoryWant(path=path, size_bytes=64 << 20),)
    assert shared is not None
    assert shared["source"] == path
    other = find(ipc="container:web")[1]
    assert other is not None
    assert other["source"] == f"/run/hold/rootfs/.staged/{PEER}/shm"
    assert find(ipc="none")[1] is None


def test_mounts_that_are_made_of_others() -> None:
    want, config = _render(
        mounts=[
            {"type": "volume", "source": "data", "target": "/v", "subpath": "a/b"},
            {"type": "bind", "source": "/s", "target": "/w", "recursive": "disabled"},
            {"type": "bind", "source": "/s", "target": "/x", "propagation": "rshared"},
            {"type": "bind", "source": "/s", "target": "/y", "readOnly": True, "recursive": "writable"},
        ]
    )
    mounts = {each["destination"]: each for each in config["mounts"]}
    part, alone = want.staged
    assert isinstance(part, SubpathWant)
    assert (part.path, part.subpath, part.root_path) == (
        mounts["/v"]["source"],
        "a/b",
        f"/var/lib/hold/volumes/{'c' * 32}/_data",
    )
    assert alone == ShallowWant(path=mounts["/w"]["source"], source_path="/s")
    assert mounts["/x"]["options"] == ["rbind", "rshared", "rw"]
    assert mounts["/y"]["options"] == ["rbind", "rprivate", "ro"]
    assert config["linux"]["rootfsPropagation"] == "rshared"
    assert want.propagations == (("/s", "shared"),)


def test_tmpfs_options() -> None:
    mount = {"type": "tmpfs", "target": "/t", "options": ["exec", "uid=5"], "size": 4096}
    _, config = _render(mounts=[mount])
    (rendered,) = [each for each in config["mounts"] if each["destination"] == "/t"]
    assert rendered["options"] == ["nosuid", "nodev", "mode=1777", "size=4096", "exec", "uid=5"]


def _find_shm_size(config: dict[str, Any]) -> str:
    options = next(each["options"] for each in config["mounts"] if each["destination"] == "/dev/shm")
    return str(options[-1])


def test_the_daemons_defaults_and_a_containers_own_word() -> None:
    limits: dict[UlimitName, Ulimit] = {"nofile": Ulimit(soft=100, hard=200), "core": Ulimit(soft=0, hard=0)}
    defaults = ContainerDefaults(ulimits=limits, shm_size_bytes=1 << 20, init=True)
    given = replace(SURROUNDINGS, host=replace(HOST, defaults=defaults))
    _, config = _render(given)
    assert config["process"]["args"] == ["/dev/init", "--", "serve"]
    assert [(each["type"], each["hard"]) for each in config["process"]["rlimits"]] == [
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", 200),
    ]
    assert _find_shm_size(config) == "size=1048576"
    _, config = _render(given, init=False, ulimits={"core": "5"}, shmSize="2m")
    assert config["process"]["args"] == ["serve"]
    assert "/dev/init" not in [each["destination"] for each in config["mounts"]]
    assert [each["hard"] for each in config["process"]["rlimits"]] == [5, 200]
    assert _find_shm_size(config) == "size=2097152"


def test_to_say_that_there_is_no_init_makes_no_new_process() -> None:
    hashes = [_render(**spec)[0].spec_hash for spec in ({}, {"init": False}, {"init": True})]
    assert (hashes[0] == hashes[1], hashes[0] == hashes[2]) == (True, False)


def test_an_init_comes_before_the_program() -> None:
    _, config = _render(init=True)
    assert config["process"]["args"] == ["/dev/init", "--", "serve"]
    assert {
        "destination": "/dev/init",
        "type": "bind",
        "source": "/usr/bin/tini-static",
        "options": ["bind", "rprivate", "ro"],
    } in config["mounts"]
    assert _render(init=True, pid="host")[1]["process"]["args"][:3] == ["/dev/init", "-s", "--"]
    with pytest.raises(Refused, match="apt install tini"):
        _render(replace(SURROUNDINGS, host=HostTexts()), init=True)


def test_users_of_its_own() -> None:
    spec = {
        "userNamespace": "auto",
        "networks": ["net"],
        "sysctls": {"net.core.somaxconn": "9", "kernel.msgmax": "8"},
    }
    spec["mounts"] = ["data:/v"]
    container = _make("own", UID, spec, {"net": "10.1.0.2"})
    assigned = container.assigned
    assert assigned is not None
    container = container.model_copy(update={"assigned": assigned.model_copy(update={"id_base": 1 << 30})})
    want = render_process(container, SURROUNDINGS)
    config = json.loads(want.config_json)
    linux = config["linux"]
    assert {"type": "user", "path": f"/run/hold/netns/users/{UID}"} in linux["namespaces"]
    assert (
        linux["uidMappings"] == linux["gidMappings"] == [{"containerID": 0, "hostID": 1 << 30, "size": 65536}]
    )
    assert linux["sysctl"]["net.ipv4.ping_group_range"] == "0 65535"
    (volume,) = want.staged
    assert isinstance(volume, SubpathWant)
    assert (volume.id_base, volume.subpath, want.id_base) == (1 << 30, "", 1 << 30)
    mounts = {each["destination"]: each["source"] for each in config["mounts"]}
    assert mounts["/v"] == volume.path
    assert volume.path.startswith(f"/run/hold/rootfs/.staged/{UID}/")


def test_groups() -> None:
    assert _render(groupAdd=["web", "7", "33"])[1]["process"]["user"]["additionalGids"] == [0, 33, 7]
    with pytest.raises(Refused, match="group nosuch"):
        _render(groupAdd=["nosuch"])


def test_hosts() -> None:
    db = _make("db", PEER, {"hostname": "base"}, {"net": "10.1.0.9"})
    surroundings = replace(SURROUNDINGS, linked={"db": db}, gateway="10.1.0.1")
    spec = {
        "links": ["db:sql"],
        "extraHosts": ["up:host-gateway", "x:::1"],
        "networks": ["net"],
        "hostname": "own",
    }
    assert dict(_render(surroundings, **spec)[0].files)["hosts"] == (
        "127.0.0.1\tlocalhost\n10.1.0.2\town\n10.1.0.9\tsql base db\n10.1.0.1\tup\n::1\tx\n"
    )
    with pytest.raises(Refused, match="host-gateway"):
        _render(extraHosts=["up:host-gateway"])


@pytest.mark.parametrize(
    ("spec", "nameservers", "text"),
    [
        ({}, (), HOST.resolv_conf),
        ({}, ("10.1.0.1",), "search host.example\nnameserver 10.1.0.1\noptions ndots:0\n"),
        ({"dns": ["1.1.1.1"]}, (), "search host.example\nnameserver 1.1.1.1\noptions rotate\n"),
        ({"dns": ["1.1.1.1"], "dnsSearch": ["."]}, ("10.1.0.1",), "nameserver 10.1.0.1\noptions ndots:0\n"),
        ({"dnsSearch": ["a", "b"], "dnsOpt": ["ndots:2", "rotate"]}, (), "search a b\nnameserver 9.9.9.9\noptions ndots:2 rotate\n"),
    ],
)  # fmt: skip
def test_resolv_conf(spec: dict[str, Any], nameservers: tuple[str, ...], text: str) -> None:
    want, _ = _render(replace(SURROUNDINGS, nameservers=nameservers), **spec)
    assert dict(want.files)["resolv.conf"] == text
