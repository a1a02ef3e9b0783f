"""What shells offer, and that their scripts ask for it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cli.candidates import complete
from controller.cli.main import COMMANDS
from controller.cli.main import run as run_cli

OBJECTS: dict[str, dict[str, str]] = {
    "Container": {"web": "Running", "db": "Exited", "job": "Paused"},
    "Network": {"shop": "Network"},
    "Volume": {"data": "Volume"},
    "Image": {"box:1": "Image"},
}


def list_names(kind: str) -> Mapping[str, str]:
    return OBJECTS[kind]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sta", ["stats", "start"]),
        ("--host unix:///x ver", ["version"]),
        ("contai", ["container"]),
        ("container unp", ["unpause"]),
        ("nonsense ", []),
        ("start ", ["db"]),
        ("stop ", ["web", "job"]),
        ("stop web ", ["job"]),
        ("container stop -t 5 w", ["web"]),
        ("rm ", ["web", "db", "job"]),
        ("exec -it we", ["web"]),
        ("exec -u ", []),
        ("run --network ", ["shop"]),
        ("run --network=s", ["--network=shop"]),
        ("run --restart=on", ["--restart=on-failure"]),
        ("run -d ", ["box:1"]),
        ("run --label-f", ["--label-file"]),
        ("run box:1 --rm", []),
        ("network conn", ["connect"]),
        ("network connect ", ["shop"]),
        ("network connect shop w", ["web"]),
        ("network create ", []),
        ("volume rm ", ["data"]),
        ("rmi ", ["box:1"]),
        ("get ", ["container", "network", "volume", "image", "all", "sources", "events"]),
        ("get container ", ["web", "db", "job"]),
        ("describe co/w", ["co/web"]),
        ("describe pod/", []),
        ("delete network -l a=b ", ["shop"]),
        ("wait --for cond", ["condition=Ready"]),
        ("explain vol", ["volume"]),
        ("inspect ", ["web", "db", "job", "shop", "data", "box:1"]),
        ("cp w", ["web:"]),
        ("completion ", ["bash", "fish", "zsh"]),
        ("rename web ", []),
        ("daemon --ro", []),
    ],
)
def test_candidates(line: str, words: list[str]) -> None:
    assert list(complete(line.split(" "), list_names).words) == words


@pytest.mark.parametrize(
    ("line", "files"),
    [("apply -f ", True), ("run --env-file ", True), ("run box:1 ", True), ("start ", False)],
)
def test_files_are_asked_for(line: str, files: bool) -> None:
    assert complete(line.split(" "), list_names).files is files


@pytest.mark.parametrize("name", [name for name, (module, _, _) in COMMANDS.items() if module])
def test_every_command_can_be_completed(name: str) -> None:
    flags = complete([*name.split(), "--"], list_names).words
    assert all(flag.startswith("--") for flag in flags)
    complete([*name.split(), ""], list_names)


@given(
    st.lists(st.sampled_from(["run", "get", "container", "-f", "--", "--rm=x", "network", "co/", "", "a b"]))
)
def test_no_line_breaks_completion(words: list[str]) -> None:
    last = words[-1] if words else ""
    assert all(word.startswith(last) for word in complete(words, list_names).words)


def test_nobody_there_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["--host", f"unix://{tmp_path}/none.sock", "__complete", "start", ""]) == 0
    assert run_cli(["__complete", "apply", "-f", ""]) == 0
    assert capsys.readouterr() == (":files\n", "")


BASH = """
source <(hold completion bash)
COMP_LINE="$1" COMP_POINT=${#1} COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
compopt() { :; }
_hold
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("line", "cut", "words"),
    [
        ("hold vol", ["hold", "vol"], ["volume"]),
        ("hold container prun", ["hold", "container", "prun"], ["prune"]),
        ("hold completion ", ["hold", "completion", ""], ["bash", "fish", "zsh"]),
        ("hold run --restart=on", ["hold", "run", "--restart", "=", "on"], ["on-failure"]),
        ("hold run --restart=", ["hold", "run", "--restart", "="], ["no", "always", "unless-stopped", "on-failure"]),
        ("hold apply -f pyproj", ["hold", "apply", "-f", "pyproj"], ["pyproject.toml"]),
    ],
)  # fmt: skip
def test_bash(line: str, cut: list[str], words: list[str]) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    answer = subprocess.run(
        ["bash", "-c", BASH, "bash", line, *cut],
        env=environment, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.stdout.split() == words
