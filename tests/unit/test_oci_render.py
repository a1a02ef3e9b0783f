"""What a runtime is told: the OCI configuration, users, environment, and what needs a new process."""

import json
from typing import Any

import pytest

from controller.errors import Refused
from controller.model.container import Container, ContainerSpec
from controller.model.facts import AccountFiles
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.model.layout import Layout
from controller.model.wants import ImageWant, ProcessWant
from controller.plan.oci.capabilities import DEFAULT_CAPABILITIES
from controller.plan.oci.render import render_process
from controller.plan.oci.seccomp import render_seccomp
from controller.plan.oci.spec_hash import IN_PLACE_FIELDS, derive_spec_hash
from controller.plan.oci.surroundings import HostTexts, Surroundings
from controller.plan.oci.syscalls import ALLOWED, DENIED
from controller.plan.oci.users import ProcessUser, resolve_user

UID = "a" * 32
BUNDLE_PATH = f"/run/hold/containers/{UID}"
LAYOUT = Layout(root_path="/var/lib/hold", run_path="/run/hold", instance="hold")
ACCOUNTS = AccountFiles(
    passwd="root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\nbroken\n12:x:7:7::/twelve:/bin/sh\n",
    group="root:x:0:\nstaff:x:50:web,other\nweb:x:34:web\nlast:x:60:other\n",
)
SURROUNDINGS = Surroundings(
    layout=LAYOUT,
    accounts=ACCOUNTS,
    image_config=ImageConfig(
        entrypoint=("/start",), command=("serve",), environment={"A": "image", "B": "image"}, user="web"
    ),
    volumes={"data": Uid("b" * 32)},
    nameservers=("10.1.0.1",),
    host=HostTexts(
        resolv_conf="search example.org\nnameserver 1.2.3.4\n", hosts="1.1.1.1 x\n", hostname="box"
    ),
)
PLAIN = {"rootfs": "/srv/image", "command": ["nginx"]}
FULL = {
    "image": "shop:1",
    "command": ["go"],
    "environment": {"B": "spec", "C": "spec"},
    "workingDir": "/srv/www",
    "hostname": "shop.example.org",
    "networks": ["front"],
    "tty": True,
    "stdinOpen": True,
    "readOnly": True,
    "runtime": "runc",
    "resources": {"memory": "64MiB", "cpus": 1.5, "pids": 20},
    "mounts": [
        {"type": "tmpfs", "target": "/data/deep/tmp", "size": "1MiB", "mode": 448},
        {"type": "volume", "source": "data", "target": "/data", "readOnly": True},
        {"type": "bind", "source": "/srv/conf", "target": "/etc/hosts", "createHostPath": True},
    ],
}
ADDRESSES = {"networks": {"front": {"ipv4": "10.1.0.2/24", "mac": "02:00:00:00:00:01"}}}


def _render(
    spec: dict[str, Any], surroundings: Surroundings, assigned: dict[str, Any] | None = None
) -> tuple[ProcessWant, dict[str, Any]]:
    document = {"metadata": {"name": "web", "uid": UID}, "spec": spec}
    if assigned is not None:
        document["assigned"] = assigned
    want = render_process(Container.model_validate(document), surroundings)
    return want, json.loads(want.config_json)


def _find_mount(config: dict[str, Any], target: str) -> dict[str, Any]:
    (mount,) = [mount for mount in config["mounts"] if mount["destination"] == target]
    return dict(mount)


def test_an_image_is_mounted_by_its_layers() -> None:
    mount = {"type": "image", "source": "tools:1", "target": "/tools", "subpath": "bin"}
    layers = ("/layers/2", "/layers/1")
    surroundings = Surroundings(layout=LAYOUT, mounted_images={"tools:1": layers})
    want, config = _render({**PLAIN, "mounts": [mount]}, surroundings)
    (staged,) = want.staged
    assert isinstance(staged, ImageWant)
    assert (staged.lower_paths, staged.subpath, staged.id_base) == (layers, "bin", 0)
    assert _find_mount(config, "/tools") == {
        "destination": "/tools",
        "type": "bind",
        "source": staged.path,
        "options": ["rbind", "rprivate", "ro"],
    }


def test_a_plain_container() -> None:
    want, config = _render(PLAIN, Surroundings(layout=LAYOUT))
    process, linux = config["process"], config["linux"]
    assert config["root"] == {"path": f"/run/hold/rootfs/{UID}", "readonly": False}
    assert config["hostname"] == UID[:12]
    assert process["user"] == {"uid": 0, "gid": 0, "umask": 0o022, "additionalGids": [0]}
    assert (process["args"], process["cwd"], process["terminal"]) == (["nginx"], "/", False)
    assert process["rlimits"] == [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 524288}]
    capabilities = process["capabilities"]
    assert capabilities["bounding"] == capabilities["effective"] == list(DEFAULT_CAPABILITIES)
    assert capabilities["inheritable"] == capabilities["ambient"] == []
    assert [mount["destination"] for mount in config["mounts"]] == [
        "/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/dev/shm",
        "/etc/hosts", "/etc/resolv.conf", "/etc/hostname",
    ]  # fmt: skip
    assert linux["cgroupsPath"] == f"/hold/{UID}"
    assert {each["type"]: each.get("path") for each in linux["namespaces"]} == {
        "pid": None, "mount": None, "uts": None, "ipc": None, "cgroup": None,
        "network": f"/run/hold/netns/{UID}",
    }  # fmt: skip
    assert set(linux["resources"]) == {"devices"}
    assert linux["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    assert linux["seccomp"] == render_seccomp(DEFAULT_CAPABILITIES)
    assert dict(want.files) == {
        "hosts": "127.0.0.1\tlocalhost\n",
        "resolv.conf": "",
        "hostname": f"{UID[:12]}\n",
    }
    assert (want.directories, want.host_directories, want.runtime, want.tty) == ((), (), "", False)


def test_a_full_container() -> None:
    want, config = _render(FULL, SURROUNDINGS, ADDRESSES)
    process = config["process"]
    assert config["root"]["readonly"]
    assert process["user"] == {"uid": 33, "gid": 34, "umask": 0o022, "additionalGids": [34, 50]}
    assert process["capabilities"]["effective"] == process["capabilities"]["permitted"] == []
    assert (process["args"], process["cwd"], process["terminal"]) == (["/start", "go"], "/srv/www", True)
    assert config["linux"]["resources"] | {"devices": []} == {
        "devices": [],
        "memory": {"limit": 64 << 20, "swap": 128 << 20},
        "cpu": {"quota": 150_000, "period": 100_000},
        "pids": {"limit": 20},
    }
    assert dict(want.files) == {
        "hosts": "127.0.0.1\tlocalhost\n10.1.0.2\tshop.example.org shop\n",
        "resolv.conf": "search example.org\nnameserver 10.1.0.1\noptions ndots:0\n",
        "hostname": "shop.example.org\n",
    }
    assert (want.directories, want.host_directories) == (("/srv/www",), ("/srv/conf",))
    assert (want.runtime, want.tty, want.stdin_open) == ("runc", True, True)


def test_mounts_of_a_full_container() -> None:
    _, config = _render(FULL, SURROUNDINGS, ADDRESSES)
    targets = [mount["destination"] for mount in config["mounts"]]
    assert targets.index("/data") < targets.index("/data/deep/tmp")
    volume = _find_mount(config, "/data")
    assert volume["source"] == f"/var/lib/hold/volumes/{'b' * 32}/_data"
    assert volume["options"] == ["rbind", "rprivate", "ro", "rro"]
    assert _find_mount(config, "/data/deep/tmp")["options"] == [
        "nosuid", "nodev", "noexec", "mode=700", "size=1048576",
    ]  # fmt: skip
    assert _find_mount(config, "/etc/hosts")["source"] == "/srv/conf"
    assert _find_mount(config, "/etc/hostname")["source"] == f"{BUNDLE_PATH}/hostname"


def test_a_container_on_the_hosts_network() -> None:
    surroundings = Surroundings(layout=LAYOUT, host=SURROUNDINGS.host)
    want, config = _render({**PLAIN, "networkMode": "host"}, surroundings)
    assert "network" not in {each["type"] for each in config["linux"]["namespaces"]}
    assert config["linux"]["sysctl"] == {}
    assert dict(want.files) == {
        "hosts": "1.1.1.1 x\n", "resolv.conf": SURROUNDINGS.host.resolv_conf, "hostname": "box\n",
    }  # fmt: skip


def test_rendering_is_deterministic() -> None:
    assert _render(FULL, SURROUNDINGS, ADDRESSES) == _render(FULL, SURROUNDINGS, ADDRESSES)


def test_the_environment_is_composed_like_docker_does() -> None:
    _, config = _render(FULL, SURROUNDINGS, ADDRESSES)
    variables = dict(item.split("=", 1) for item in config["process"]["env"])
    assert variables.pop("PATH").startswith("/usr/local/sbin:")
    assert variables == {
        "HOSTNAME": "shop.example.org", "TERM": "xterm", "HOME": "/srv", "A": "image", "B": "spec", "C": "spec",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "arguments"),
    [
        ({}, ["/start", "serve"]),
        ({"command": ["other"]}, ["/start", "other"]),
        ({"command": []}, ["/start"]),
        ({"entrypoint": ["/own"]}, ["/own"]),
        ({"entrypoint": ["/own"], "command": ["x"]}, ["/own", "x"]),
        ({"entrypoint": [""], "command": ["x"]}, ["x"]),
    ],
)
def test_the_arguments(spec: dict[str, Any], arguments: list[str]) -> None:
    _, config = _render({"image": "shop:1", **spec}, SURROUNDINGS)
    assert config["process"]["args"] == arguments


def test_nothing_to_run_is_refused() -> None:
    with pytest.raises(Refused, match="nothing to run"):
        _render({"rootfs": "/srv/image"}, Surroundings(layout=LAYOUT))


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", ProcessUser(uid=0, gid=0, home="/root")),
        ("web", ProcessUser(uid=33, gid=34, additional_gids=(50,), home="/srv")),
        ("33", ProcessUser(uid=33, gid=34, additional_gids=(50,), home="/srv")),
        ("web:staff", ProcessUser(uid=33, gid=50, home="/srv")),
        ("web:1234", ProcessUser(uid=33, gid=1234, home="/srv")),
        ("1000", ProcessUser(uid=1000, gid=0)),
        ("1000:1000", ProcessUser(uid=1000, gid=1000)),
        (":staff", ProcessUser(uid=0, gid=50, home="/root")),
        ("12", ProcessUser(uid=7, gid=7, home="/twelve")),
    ],
)
def test_users(text: str, user: ProcessUser) -> None:
    assert resolve_user(text, ACCOUNTS) == user


@pytest.mark.parametrize("text", ["nobody", "web:nobody", "-1", "4294967296", "broken", "1²"])
def test_unknown_users_are_refused(text: str) -> None:
    with pytest.raises(Refused):
        resolve_user(text, ACCOUNTS)


CHANGES: dict[str, object] = {
    "image": "shop:1", "rootfs": "/other", "entrypoint": ("x",), "command": ("x",), "environment": {"A": "1"},
    "working_dir": "/x", "user": "web", "hostname": "x", "mounts": FULL["mounts"], "networks": ("front",),
    "network_mode": "host", "ports": ("80:80",), "resources": {"pids": 7}, "restart": "always",
    "depends_on": {"db": {}}, "desired": "stopped", "run": 3, "stop_signal": "SIGINT", "stop_grace_period_s": 1,
    "tty": True, "stdin_open": True, "read_only": True, "auto_remove": True, "runtime": "runc",
    "cap_add": ("NET_ADMIN",), "cap_drop": ("ALL",), "privileged": True, "security_opt": ("no-new-privileges",),
    "sysctls": {"net.core.somaxconn": "1"}, "devices": ("/dev/fuse",), "device_cgroup_rules": ("c 1:3 r",),
    "group_add": ("7",), "init": True, "shm_size_bytes": "1m", "pid": "host", "ipc": "host", "uts": "host",
    "cgroup": "host", "domainname": "x", "extra_hosts": ("a:1.1.1.1",), "dns": ("1.1.1.1",), "dns_search": ("x",),
    "dns_opt": ("ndots:1",), "links": ("db",), "volumes_from": ("db",), "expose": ("80",), "publish_all": True, "user_namespace": "auto",
    "pull_policy": "never",
    "logging": {"max_files": 2},
    "ulimits": {"nofile": 10}, "oom_score_adj": 5, "healthcheck": {"test": "true"},
}  # fmt: skip


@pytest.mark.parametrize("field", ContainerSpec.model_fields)
def test_what_needs_a_new_process(field: str) -> None:
    key = ContainerSpec.model_fields[field].alias or field
    before = {"command": ("nginx",), **({} if field == "image" else {"rootfs": "/srv/image"})}
    first = ContainerSpec.model_validate(before if field != "image" else {**before, "image": "shop:0"})
    second = ContainerSpec.model_validate({**before, key: CHANGES[field]})
    assert first != second
    assert (derive_spec_hash(first) == derive_spec_hash(second)) == (field in IN_PLACE_FIELDS)


def test_no_call_is_both_allowed_and_denied() -> None:
    assert not set(ALLOWED) & set(DENIED)
    assert {"clone", "clone3", "socket", "personality"}.isdisjoint({*ALLOWED, *DENIED})
