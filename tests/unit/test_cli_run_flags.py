"""Docker's flags of `hold run`, as specs."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from controller.cli import run
from controller.cli.client import Failure
from controller.cli.main import make_parser
from controller.cli.parser import EXIT_DAEMON, Parser

HERE = str(Path.cwd())
ABOVE, HOME = str(Path.cwd().parent), str(Path.home())


def _build(words: list[str]) -> dict[str, Any]:
    parser = Parser(prog="hold run", add_help=False)
    run.add_run(parser)
    resource = run.build_container(parser.parse_args(words))
    fields: dict[str, Any] = json_format.MessageToDict(resource)
    return fields


ROWS: list[tuple[list[str], dict[str, Any]]] = [
    ([], {}),
    (["-it"], {"tty": True, "stdinOpen": True}),
    (["--rm", "--read-only"], {"autoRemove": True, "readOnly": True}),
    (["-w", "/w", "-u", "1:2", "-h", "box"], {"workingDir": "/w", "user": "1:2", "hostname": "box"}),
    (["-e", "A=1", "-eB=2=3", "-e", "C="], {"environment": {"A": "1", "B": "2=3", "C": ""}}),
    (["-e", "PASSED", "-e", "UNSET"], {"environment": {"PASSED": "on"}}),
    (["--entrypoint", "sh"], {"entrypoint": ["sh"], "command": []}),
    (["--entrypoint", ""], {"entrypoint": [], "command": []}),
    (["-m", "64m"], {"resources": {"memory": "67108864"}}),
    (["--cpus", ".5", "--pids-limit", "9"], {"resources": {"cpus": 0.5, "pids": "9"}}),
    (["--pids-limit", "-1"], {"resources": {}}),
    (
        ["-m", "64m", "--memory-swap=-1", "--memory-reservation", "32m", "--memory-swappiness", "0"],
        {
            "resources": {
                "memory": "67108864",
                "memorySwap": "-1",
                "memoryReservation": "33554432",
                "memorySwappiness": "0",
            }
        },
    ),
    (
        [
            "--cpu-period",
            "50000",
            "--cpu-quota",
            "20000",
            "-c",
            "512",
            "--cpuset-cpus",
            "0,1",
            "--cpuset-mems=0",
        ],
        {
            "resources": {
                "cpuPeriod": "50000",
                "cpuQuota": "20000",
                "cpuShares": "512",
                "cpusetCpus": "0,1",
                "cpusetMems": "0",
            }
        },
    ),
    (
        ["--blkio-weight", "300", "--device-read-bps", "/dev/vda:1mb", "--device-write-iops=/dev/vda:50"],
        {
            "resources": {
                "blockIO": {
                    "weight": "300",
                    "devices": {"/dev/vda": {"readBps": "1048576", "writeIops": "50"}},
                }
            }
        },
    ),
    (
        ["--ulimit", "nofile=10:20", "--ulimit", "core=-1", "--oom-score-adj", "500"],
        {
            "ulimits": {"nofile": {"soft": "10", "hard": "20"}, "core": {"soft": "-1", "hard": "-1"}},
            "oomScoreAdj": "500",
        },
    ),
    (["--oom-kill-disable"], {"resources": {"oomKillDisable": True}}),
    (
        [
            "--health-cmd",
            "true",
            "--health-interval",
            "5s",
            "--health-timeout=1500ms",
            "--health-retries",
            "2",
        ],
        {
            "healthcheck": {
                "test": ["CMD-SHELL", "true"],
                "interval": 5.0,
                "timeout": 1.5,
                "retries": "2",
            }
        },
    ),
    (
        ["--log-opt", "max-size=10m", "--log-opt=max-file=3", "--log-driver", "json-file"],
        {"logging": {"driver": "json-file", "maxSize": "10485760", "maxFiles": "3"}},
    ),
    (
        ["--health-start-period", "1m", "--health-start-interval", "1s", "--health-restart"],
        {"healthcheck": {"startPeriod": 60.0, "startInterval": 1.0, "restart": True}},
    ),
    (["--no-healthcheck"], {"healthcheck": {"test": ["NONE"]}}),
    (["--restart", "always"], {"restart": {"name": "always"}}),
    (["--restart", "on-failure:3"], {"restart": {"name": "on-failure", "maxRetries": "3"}}),
    (["--stop-signal", "INT", "--stop-timeout", "3"], {"stopSignal": "INT", "stopGracePeriod": 3.0}),
    (["--runtime", "runc"], {"runtime": "runc"}),
    (["-p", "80"], {"ports": [{"containerPort": "80", "protocol": "tcp"}]}),
    (["-p=8080:80"], {"ports": [{"hostPort": "8080", "containerPort": "80", "protocol": "tcp"}]}),
    (
        ["-p", "127.0.0.1:81-82:91-92/udp"],
        {
            "ports": [
                {"hostIP": "127.0.0.1", "hostPort": "81", "containerPort": "91", "protocol": "udp"},
                {"hostIP": "127.0.0.1", "hostPort": "82", "containerPort": "92", "protocol": "udp"},
            ]
        },
    ),
    (
        ["-v", "data:/x:ro"],
        {"mounts": [{"type": "volume", "source": "data", "target": "/x", "readOnly": True}]},
    ),
    (
        ["-v", "/host:/x"],
        {"mounts": [{"type": "bind", "source": "/host", "target": "/x", "createHostPath": True}]},
    ),
    (
        ["-v", "./here:/x"],
        {"mounts": [{"type": "bind", "source": f"{HERE}/here", "target": "/x", "createHostPath": True}]},
    ),
    (
        ["-v", "../here/x/..:/x", "--mount", "type=bind,src=~/a,dst=/b"],
        {
            "mounts": [
                {"type": "bind", "source": f"{ABOVE}/here", "target": "/x", "createHostPath": True},
                {"type": "bind", "source": f"{HOME}/a", "target": "/b"},
            ]
        },
    ),
    (
        ["--mount", "type=bind,src=/a,dst=/b,ro"],
        {"mounts": [{"type": "bind", "source": "/a", "target": "/b", "readOnly": True}]},
    ),
    (
        ["--mount", "source=data,target=/b"],
        {"mounts": [{"type": "volume", "source": "data", "target": "/b"}]},
    ),
    (
        ["--mount", "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700"],
        {"mounts": [{"type": "tmpfs", "target": "/t", "size": "1048576", "mode": "448"}]},
    ),
    (
        ["--tmpfs", "/t:size=64m,ro"],
        {"mounts": [{"type": "tmpfs", "target": "/t", "size": "67108864", "readOnly": True}]},
    ),
    (
        ["--cap-add", "net_admin", "--cap-drop", "ALL", "--privileged", "--init"],
        {"capAdd": ["net_admin"], "capDrop": ["ALL"], "privileged": True, "init": True},
    ),
    (
        [
            "--security-opt",
            "no-new-privileges",
            "--security-opt",
            "seccomp=unconfined",
            "--security-opt",
            "label=type:t",
        ],
        {"securityOpt": {"noNewPrivileges": True, "seccomp": "unconfined", "labels": ["type:t"]}},
    ),
    (
        ["--security-opt", "apparmor:p", "--security-opt", "systempaths=unconfined"],
        {"securityOpt": {"apparmor": "p", "maskedPaths": [], "readonlyPaths": []}},
    ),
    (
        ["--device", "/dev/a:/dev/b:r", "--device-cgroup-rule", "c 1:3 r"],
        {
            "devices": [{"source": "/dev/a", "target": "/dev/b", "permissions": "r"}],
            "deviceCgroupRules": ["c 1:3 r"],
        },
    ),
    (
        ["--sysctl", "net.a.b=1", "--group-add", "7", "--shm-size", "1m"],
        {"sysctls": {"net.a.b": "1"}, "groupAdd": ["7"], "shmSize": "1048576"},
    ),
    (
        ["--pid", "host", "--ipc", "container:a", "--uts", "host", "--cgroupns", "host", "--userns", "host"],
        {"pid": "host", "ipc": "container:a", "uts": "host", "cgroup": "host", "userNamespace": "host"},
    ),
    (
        [
            "--add-host",
            "a:::1",
            "--dns",
            "1.1.1.1",
            "--dns-search",
            "x",
            "--dns-option",
            "ndots:1",
            "--domainname",
            "d",
        ],
        {
            "extraHosts": [{"hostname": "a", "address": "::1"}],
            "dns": ["1.1.1.1"],
            "dnsSearch": ["x"],
            "dnsOpt": ["ndots:1"],
            "domainname": "d",
        },
    ),
    (
        ["--link", "a:b", "--expose", "80", "-P", "--volumes-from", "c:ro"],
        {
            "links": [{"container": "a", "alias": "b"}],
            "expose": ["80"],
            "publishAll": True,
            "volumesFrom": [{"container": "c", "readOnly": True}],
        },
    ),
    (["--network", "container:web"], {"networkMode": "container:web"}),
    (["--network", "host"], {"networkMode": "host"}),
    (["--network", "default"], {"networks": [{"name": "bridge"}]}),
    (
        ["--network", "a:x,y", "--network", "b"],
        {"networks": [{"name": "a", "aliases": ["x", "y"]}, {"name": "b"}]},
    ),
    (
        ["--network", "name=a,alias=x,ip=10.0.0.3,mac-address=02:00:00:00:00:0A"],
        {"networks": [{"name": "a", "aliases": ["x"], "ipv4": "10.0.0.3", "mac": "02:00:00:00:00:0a"}]},
    ),
    (["--ip", "10.0.0.2"], {"networks": [{"name": "bridge", "ipv4": "10.0.0.2"}]}),
    (
        ["--network", "a", "--network-alias", "x", "--mac-address", "02:00:00:00:00:0A"],
        {"networks": [{"name": "a", "aliases": ["x"], "mac": "02:00:00:00:00:0a"}]},
    ),
]


@pytest.mark.parametrize(("flags", "spec"), ROWS, ids=lambda value: " ".join(value) or "none")
def test_flags_become_a_spec(flags: list[str], spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSED", "on")
    monkeypatch.delenv("UNSET", raising=False)
    assert _build([*flags, "box:1"])["container"] == {"image": "box:1", **spec}


def test_what_follows_the_image_is_the_command() -> None:
    assert _build(["box:1", "sh", "-c", "ls -l", "--rm"])["container"] == {
        "image": "box:1",
        "command": ["sh", "-c", "ls -l", "--rm"],
    }


def test_a_directory_instead_of_an_image() -> None:
    assert _build(["--rootfs", ".", "sh"])["container"] == {"rootfs": HERE, "command": ["sh"]}


def test_a_target_alone_asks_for_a_volume_without_a_name() -> None:
    assert _build(["-v", "/x", "box:1"])["container"]["mounts"] == [{"type": "volume", "target": "/x"}]


def test_names_and_labels() -> None:
    metadata = _build(["--name", "web", "-l", "a=b", "--label", "c", "box:1"])["metadata"]
    assert metadata == {"name": "web", "labels": {"a": "b", "c": ""}}
    assert _build(["box:1"])["metadata"]["name"] != _build(["box:1"])["metadata"]["name"]


def test_labels_come_from_files(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_text("# mine\na=1\nb\n")
    metadata = _build(["--label-file", str(path), "-l", "a=2", "box:1"])["metadata"]
    assert metadata["labels"] == {"a": "2", "b": ""}


def test_variables_come_from_files(tmp_path: Path) -> None:
    path = tmp_path / "variables"
    path.write_text("# comment\n\nA=1\n  B=2 3\n")
    assert _build(["--env-file", str(path), "-e", "A=9", "box:1"])["container"]["environment"] == {
        "A": "9",
        "B": "2 3",
    }


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-m", "lots"], "--memory: 'lots' is not a size"),
        (["-p", "99999:1"], "--publish: '99999:1': port 99999"),
        (["-p", "1-3:1-2"], "--publish"),
        (["-e", "=x"], "--env: '=x' is not NAME=VALUE"),
        (["--env-file", "/nowhere"], "--env-file: /nowhere can't be read"),
        (["--mount", "type=bind,what=1,target=/x"], "'what' is not a key"),
        (["--mount", "source=a"], "has no target"),
        (["--tmpfs", "/t:what"], "'what' is not an option"),
        (["--network", "host", "--network", "a"], "host can't be joined"),
        (["--network", "what=1"], "'what' is not a key"),
        (["--restart", "always:3"], "--restart"),
        (["--device", "null"], "--device: 'null' is not a device"),
        (["--security-opt", "what"], "--security-opt: 'what' is not known"),
        (["--security-opt", "seccomp=/nowhere"], "--security-opt: /nowhere can't be read"),
        (["--shm-size", "lots"], "--shm-size: 'lots' is not a size"),
        (["--add-host", "a"], "--add-host: 'a' is not an extra host"),
        (["--link", "a:"], "--link: 'a:' is not a link"),
        (["--volumes-from", "a:x"], "--volumes-from: 'a:x' is not a source"),
        (["--log-opt", "max-size=lots"], "--log-opt max-size=lots: 'lots' is not a size"),
        (["--log-opt", "max-file=x"], "--log-opt max-file=x: is not a number"),
        (["--log-opt", "gelf=x"], "--log-opt gelf: is no option: known are max-size, max-file"),
        (["--log-opt", "compress=x"], "--log-opt compress=x: is neither true nor false"),
        (["--log-driver", "local", "--log-opt", "tag=x"], "--log-opt tag: is no option of local"),
        (["--log-driver", "syslog"], "--log-driver: no log driver is named 'syslog'"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_wrong_values_name_the_flag(flags: list[str], words: str) -> None:
    with pytest.raises(Failure) as caught:
        _build([*flags, "box:1"])
    assert words in str(caught.value)
    assert caught.value.code == EXIT_DAEMON


def test_an_unknown_flag_is_refused_with_dockers_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        _build(["--nmae", "x", "box:1"])
    assert caught.value.code == EXIT_DAEMON
    assert "--nmae" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("run --cgroup-parent /x box:1", 125, "limits are set per container"),
        ("create --gpus=all box:1", 125, "use --device"),
        ("run --use-api-socket box:1", 125, "-v /run/hold:/run/hold"),
        ("update --cpu-rt-runtime 5 web", 1, "--ulimit rtprio=N"),
        ("start --checkpoint one web", 1, "hold has no checkpoints"),
        ("rm --link web/db", 1, "hold edit container NAME"),
    ],
)
def test_flags_that_are_not_built_say_what_is_there_instead(
    capsys: pytest.CaptureFixture[str], line: str, code: int, told: str
) -> None:
    command, *words = line.split()
    parser = make_parser(command)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(words)
    assert caught.value.code == code
    heard = capsys.readouterr().err
    assert heard.startswith(f"hold: {words[0].partition('=')[0]}: ")
    assert (told in heard, heard.count("\n")) == (True, 1)
    assert words[0].partition("=")[0] not in parser.format_help()
