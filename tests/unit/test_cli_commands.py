"""Every command can be parsed, is in the manual, and starts with few imports."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from controller.api.v1 import resource_pb2
from controller.cli.fields import to_document
from controller.cli.groups import GROUPS
from controller.cli.main import COMMANDS, make_parser, render_help, run
from controller.cli.run import build_container
from controller.cli.tables import parse_time, render_age, render_size, render_table

_MANUAL = Path(__file__).parents[2] / "docs" / "cli.md"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "daemon"])
def test_every_command_has_flags_and_work(name: str) -> None:
    module = importlib.import_module(f"controller.cli.{COMMANDS[name][0]}")
    assert make_parser(name).prog == f"hold {name}"
    assert callable(getattr(module, f"run_{name.replace(' ', '_')}"))
    assert name in render_help()


def test_the_manual_has_every_command_and_no_other() -> None:
    told = set(re.findall(r"`hold ([a-z]+)", _MANUAL.read_text()))
    assert told == {name.partition(" ")[0] for name in COMMANDS} | GROUPS.keys()


def _parse(*words: str) -> resource_pb2.Resource:
    parser = make_parser("run")
    return build_container(parser.parse_args(words))


@pytest.mark.parametrize(
    ("words", "path", "value"),
    [
        (("-e", "A=b=c", "box"), "environment", {"A": "b=c"}),
        (("-p", "127.0.0.1:8080:80/udp", "box"), "ports", [{"hostIP": "127.0.0.1", "hostPort": 8080, "containerPort": 80, "protocol": "udp"}]),
        (("-v", "data:/data:ro", "box"), "mounts", [{"type": "volume", "source": "data", "target": "/data", "readOnly": True}]),
        (("-v", "/srv:/data", "box"), "mounts", [{"type": "bind", "source": "/srv", "target": "/data", "createHostPath": True}]),
        (("--mount", "type=bind,src=/srv,dst=/x,readonly", "box"), "mounts", [{"type": "bind", "source": "/srv", "target": "/x", "readOnly": True}]),
        (("--tmpfs", "/tmp:size=1m,mode=700", "box"), "mounts", [{"type": "tmpfs", "target": "/tmp", "size": 1 << 20, "mode": 0o700}]),
        (("-m", "64m", "--cpus", "0.5", "--pids-limit", "9", "box"), "resources", {"memory": 64 << 20, "cpus": 0.5, "pids": 9}),
        (("--restart", "on-failure:3", "box"), "restart", {"name": "on-failure", "maxRetries": 3}),
        (("--network", "host", "box"), "networkMode", "host"),
        (("--network", "shop", "--network-alias", "www", "--ip", "10.1.0.2", "box"), "networks", [{"name": "shop", "aliases": ["www"], "ipv4": "10.1.0.2"}]),
        (("--entrypoint", "sh", "box", "-c", "true"), "entrypoint", ["sh"]),
        (("box", "sh", "-c", "echo -e x"), "command", ["sh", "-c", "echo -e x"]),
        (("-u", "1000:1000", "box"), "user", "1000:1000"),
        (("-h", "name", "box"), "hostname", "name"),
        (("-w", "/srv", "box"), "workingDir", "/srv"),
        (("--rm", "box"), "autoRemove", True),
        (("--read-only", "box"), "readOnly", True),
        (("-it", "box"), "tty", True),
        (("-it", "box"), "stdinOpen", True),
        (("--stop-timeout", "3", "box"), "stopGracePeriod", 3.0),
        (("--stop-signal", "SIGINT", "box"), "stopSignal", "SIGINT"),
        (("--runtime", "runc", "box"), "runtime", "runc"),
        (("--rootfs", "/srv/root", "true"), "rootfs", "/srv/root"),
        (("box",), "image", "box"),
    ],
)  # fmt: skip
def test_flags_of_run(words: tuple[str, ...], path: str, value: object) -> None:
    assert to_document(_parse(*words))["spec"][path] == value


def test_a_hot_command_imports_no_models() -> None:
    """Half of a short command's time is imports: pydantic alone would double it."""
    script = (
        "import sys, controller.cli.main, controller.cli.run, controller.cli.ps, controller.cli.execute;"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'pydantic', 'yaml', 'grpc', 'asyncio'}))"
    )
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"


def test_wrong_flags_end_with_dockers_code(capsys: pytest.CaptureFixture[str]) -> None:
    parser = make_parser("run")
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--bogus"])
    assert caught.value.code == 125
    assert "hold run --help" in capsys.readouterr().err


def test_tables_and_quantities() -> None:
    assert render_table(["A", "LONG"], [["longer", "x"]]) == "A        LONG\nlonger   x"
    assert [render_size(size) for size in (0, 999, 1_980_000, 5 * 10**9)] == ["0B", "999B", "1.98MB", "5GB"]
    now = parse_time("2026-01-02T00:00:00Z")
    assert [render_age(text, now) for text in ("", "2026-01-01T23:59:55.5Z", "2026-01-01T00:00:00Z")] == [
        "-",
        "4s",
        "24h",
    ]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run", "box:1", "echo", "a\udcff"), 125),
        (("exec", "box", "echo", "x" * 100_000 + "a\udcff"), 125),
        (("rename", "box", "a\udcff"), 1),
    ],
)
def test_what_is_not_utf_8_is_told(
    words: tuple[str, ...], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--host", f"unix://{tmp_path}/none", *words]) == code
    told = capsys.readouterr().err
    assert "a\\xff' is not UTF-8: write it in UTF-8" in told
    assert len(told) < 200
