"""docs/cli.md and the parsers say the same; the hot commands import little."""

import argparse
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.cli.main import COMMANDS, Parser

ROOT_PATH = Path(__file__).parents[2]
SECTIONS: dict[str, str] = dict(
    re.findall(
        r"^### (\w+)\n(.*?)(?=^#|\Z)", (ROOT_PATH / "docs/cli.md").read_text(), re.MULTILINE | re.DOTALL
    )
)
CLIENT_COMMANDS = [name for name, (module, _, _) in COMMANDS.items() if module]

NEVER_FOR_HOT_COMMANDS = {
    "pydantic", "grpc", "yaml", "asyncio", "subprocess", "sqlalchemy", "http", "urllib.request", "secrets",
    "controller.api.convert", "controller.manifests", "controller.model.container",
}  # fmt: skip


def _make_parser(name: str) -> Parser:
    parser = Parser(prog=f"hold {name}", add_help=False)
    getattr(importlib.import_module(f"controller.cli.{COMMANDS[name][0]}"), f"add_{name}")(parser)
    return parser


def _list_flags(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _list_flags(inner)
        elif "--help" not in action.option_strings:
            yield from action.option_strings


def test_every_command_has_a_section() -> None:
    assert list(SECTIONS) == CLIENT_COMMANDS


@pytest.mark.parametrize("name", [name for name in CLIENT_COMMANDS if name != "create"])
def test_every_flag_is_documented(name: str) -> None:
    rows = [line for line in SECTIONS[name].splitlines() if line.startswith("|")]
    documented = {flag for row in rows for flag in re.findall(r"`(-[\w-]+)`", row.split(" | ")[0])}
    assert documented == set(_list_flags(_make_parser(name)))


def test_create_has_the_flags_of_run() -> None:
    detach = {"-d", "--detach"}
    assert set(_list_flags(_make_parser("create"))) == set(_list_flags(_make_parser("run"))) - detach


@pytest.mark.parametrize("name", CLIENT_COMMANDS)
def test_every_flag_says_what_it_is_for(name: str) -> None:
    parser = _make_parser(name)
    silent = [
        action.option_strings for action in parser._actions if action.option_strings and not action.help
    ]
    assert silent == []


@pytest.mark.parametrize("name", ["run", "exec", "ps", "start", "stop", "rm", "get", "logs"])
def test_hot_commands_import_little(name: str) -> None:
    module = COMMANDS[name][0]
    code = f"import controller.cli.main, controller.cli.{module}, sys; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT_PATH, check=True, capture_output=True, text=True
    )
    assert NEVER_FOR_HOT_COMMANDS & set(answer.stdout.split()) == set()


def test_a_near_miss_of_a_flag_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        _make_parser("run").parse_args(["--nmae", "x", "box:1"])
    assert caught.value.code == 125
    assert "did you mean --name?" in capsys.readouterr().err
