"""What the fields for isolation accept, what they are stored as, and what they say about mistakes."""

from typing import Any

import pytest
from pydantic import ValidationError

from controller.model.container import ContainerSpec


def _load(**fields: object) -> ContainerSpec:
    return ContainerSpec.model_validate({"rootfs": "/", "command": ["x"], **fields})


STORED: list[tuple[dict[str, Any], str, Any]] = [
    ({"capAdd": ["net_admin", "CAP_SYS_TIME", "all"]}, "capAdd", ["CAP_NET_ADMIN", "CAP_SYS_TIME", "ALL"]),
    ({"sysctls": ["net.core.somaxconn=1"]}, "sysctls", {"net.core.somaxconn": "1"}),
    ({"sysctls": {"kernel.sem": "1 2 3 4"}}, "sysctls", {"kernel.sem": "1 2 3 4"}),
    ({"devices": ["/dev/a"]}, "devices", [{"source": "/dev/a", "target": "", "permissions": "rwm"}]),
    ({"devices": ["/dev/a:/dev/b:r"]}, "devices", [{"source": "/dev/a", "target": "/dev/b", "permissions": "r"}]),
    ({"devices": ["/dev/a:rw"]}, "devices", [{"source": "/dev/a", "target": "", "permissions": "rw"}]),
    ({"groupAdd": [7, "web"]}, "groupAdd", ["7", "web"]),
    ({"shmSize": "1m"}, "shmSize", 1 << 20),
    ({"extraHosts": {"a": "1.1.1.1"}}, "extraHosts", [{"hostname": "a", "address": "1.1.1.1"}]),
    ({"extraHosts": ["a:::1", "b=[::2]"]}, "extraHosts", [{"hostname": "a", "address": "::1"}, {"hostname": "b", "address": "::2"}]),
    ({"links": ["db:x", "y"]}, "links", [{"container": "db", "alias": "x"}, {"container": "y", "alias": ""}]),
    ({"volumesFrom": ["a:ro"]}, "volumesFrom", [{"container": "a", "readOnly": True}]),
    ({"expose": [80, "81-82/udp"]}, "expose", ["80/tcp", "81-82/udp"]),
    ({"networkMode": "container:web"}, "networkMode", "container:web"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "name", "value"), STORED, ids=lambda value: str(value)[:40])
def test_short_forms_are_stored_as_long_ones(fields: dict[str, Any], name: str, value: object) -> None:
    assert _load(**fields).model_dump(mode="json", by_alias=True)[name] == value


def test_dockers_security_options_are_read() -> None:
    options = [
        "no-new-privileges",
        "seccomp=unconfined",
        "apparmor=p",
        "label=type:t",
        "systempaths=unconfined",
    ]
    stored = _load(securityOpt=options).security_opt
    assert (stored.no_new_privileges, stored.seccomp, stored.apparmor) == (True, "unconfined", "p")
    assert (stored.labels, stored.masked_paths, stored.readonly_paths) == (("type:t",), (), ())


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"capAdd": ["NET_ADMN"]}, "'NET_ADMN' is not a capability"),
    ({"capAdd": ["KILL"], "capDrop": ["KILL"]}, "CAP_KILL is both in capAdd and capDrop"),
    ({"sysctls": {"vm.swappiness": "1"}}, "vm.swappiness belongs to the whole host"),
    ({"sysctls": {"kernel.sem": "1"}, "ipc": "host"}, "can't be set with ipc host"),
    ({"sysctls": {"net.x.y": "1"}, "networkMode": "host"}, "can't be set with networkMode host"),
    ({"sysctls": {"foo": "1"}}, "'foo' is not a kernel setting"),
    ({"devices": ["dev/a"]}, "'dev/a' is not a device"),
    ({"devices": ["/dev/a:b"]}, "neither an absolute path nor"),
    ({"devices": ["/dev/a:/dev/b:x"]}, "'x' is not a permission"),
    ({"deviceCgroupRules": ["c 1:3"]}, "'c 1:3' is not a device rule"),
    ({"deviceCgroupRules": ["c 1:3 rr"]}, "names an access twice"),
    ({"securityOpt": ["seccomp=/etc/p.json"]}, "can't name a file"),
    ({"securityOpt": ["nonsense"]}, "'nonsense' is not a security option"),
    ({"securityOpt": {"maskedPaths": ["proc"]}}, "'proc' is not an absolute path"),
    ({"securityOpt": ["label=level"]}, "'level' is not a label"),
    ({"uts": "host", "hostname": "x"}, "can't be set with uts host"),
    ({"userNamespace": "auto", "privileged": True}, "can't be had with privileged"),
    ({"userNamespace": "auto", "pid": "host"}, "can't be had with pid host"),
    ({"userNamespace": "private"}, "'host' or 'auto'"),
    ({"pid": "container:"}, "'container:' is not a mode"),
    ({"ipc": "shared"}, "'shared' is not a mode: write host, private, shareable, none"),
    ({"shmSize": "1m", "ipc": "host"}, "shmSize can't be set with ipc host"),
    ({"extraHosts": ["a"]}, "'a' is not an extra host"),
    ({"extraHosts": ["a:b"]}, "'b' is not an IP address"),
    ({"dns": ["x"]}, "'x' is not an IP address"),
    ({"dnsOpt": ["ndots 2"]}, "is not an option of resolv.conf"),
    ({"expose": ["0"]}, "between 1 and 65535"),
    ({"expose": ["80/icmp"]}, "is not an exposed port"),
    ({"links": ["a:"]}, "'a:' is not a link"),
    ({"volumesFrom": ["a:rx"]}, "is not a source of volumes"),
    ({"networkMode": "container:w", "ports": ["80"]}, "ports can't be published"),
    ({"networkMode": "host", "links": ["db"]}, "links need a network that both are on: use extraHosts"),
    ({"links": ["db:bad name"]}, "'bad name' is not a host name"),
    ({"networkMode": "container:w", "hostname": "x"}, "set it on container w"),
    ({"networkMode": "container:w", "dns": ["1.1.1.1"]}, "set it on container w"),
    ({"privileged": True, "securityOpt": {"seccompProfile": {"defaultAction": "SCMP_ACT_ALLOW"}}}, "no effect on a privileged"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "words"), REFUSED, ids=lambda value: str(value)[:50])
def test_mistakes_are_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _load(**fields)
    assert words in str(caught.value)


def test_a_seccomp_profile_in_dockers_format_is_read() -> None:
    rule = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "args": None, "includes": {"caps": ["CAP_KILL"]}}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "archMap": [], "syscalls": [rule]}
    stored = _load(securityOpt={"seccompProfile": profile}).security_opt.seccomp_profile
    assert stored is not None
    assert stored.syscalls[0].includes.caps == ("CAP_KILL",)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"defaultAction": "ALLOW"}, "SCMP_ACT_ALLOW"),
        (
            {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ALLOW"}]},
            "either names or name",
        ),
        ({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["X86"]}, "'X86' is not an architecture"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "listener": 1}, "listener"),
    ],
)
def test_a_wrong_profile_is_refused(profile: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _load(securityOpt={"seccompProfile": profile})
    assert words in str(caught.value)
