"""docs/cli.md and the parsers say the same; the hot commands import little."""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.cli.main import make_parser
from tests.cli_reference import CLIENT_COMMANDS, MANUAL_PATH, read_sections, render_manual

ROOT_PATH = Path(__file__).parents[2]

NEVER_FOR_HOT_COMMANDS = {
    "pydantic", "grpc", "yaml", "asyncio", "subprocess", "sqlalchemy", "http", "urllib.request", "secrets",
    "controller.api.convert", "controller.manifests", "controller.model.container", "controller.cli.templates",
    "difflib", "shutil",
}  # fmt: skip


def _list_flags(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _list_flags(inner)
        elif "--help" not in action.option_strings:
            yield from action.option_strings


def test_every_command_has_a_section() -> None:
    assert list(read_sections(MANUAL_PATH.read_text())) == CLIENT_COMMANDS


def test_the_tables_of_flags_are_current() -> None:
    manual = MANUAL_PATH.read_text()
    assert manual == render_manual(manual), "run: python -m tests.cli_reference"


def test_create_has_the_flags_of_run() -> None:
    others = {"-d", "--detach", "--detach-keys", "--sig-proxy"}
    assert set(_list_flags(make_parser("create"))) == set(_list_flags(make_parser("run"))) - others


@pytest.mark.parametrize("name", CLIENT_COMMANDS)
def test_every_flag_says_what_it_is_for(name: str) -> None:
    parser = make_parser(name)
    silent = [
        action.option_strings for action in parser._actions if action.option_strings and not action.help
    ]
    assert silent == []


@pytest.mark.parametrize("name", ["run", "exec", "ps", "start", "stop", "rm", "get", "logs"])
def test_hot_commands_import_little(name: str) -> None:
    code = f"import controller.cli.main as cli, sys; cli.make_parser({name!r}); print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT_PATH, check=True, capture_output=True, text=True
    )
    assert NEVER_FOR_HOT_COMMANDS & set(answer.stdout.split()) == set()


def test_a_near_miss_of_a_flag_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        make_parser("run").parse_args(["--nmae", "x", "box:1"])
    assert caught.value.code == 125
    assert "did you mean --name?" in capsys.readouterr().err
