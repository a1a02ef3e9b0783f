"""The tables of flags in docs/cli.md, out of the parsers: `python -m tests.cli_reference` writes them anew."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from controller.cli.main import COMMANDS, make_parser

MANUAL_PATH = Path(__file__).parents[1] / "docs" / "cli.md"
CLIENT_COMMANDS = [name for name, (module, _, _) in COMMANDS.items() if module]
_HEAD = ["| flag | |", "|---|---|"]
_SECTION = re.compile(r"^### ([a-z ]+)\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
_SAME_AS_RUN = "create"


def read_sections(manual: str) -> dict[str, str]:
    """Return the text of each command's section."""
    return dict(_SECTION.findall(manual))


def render_manual(manual: str) -> str:
    """Return the manual with every table of flags as the parsers have it, prose as it is."""
    sections = _SECTION.sub(lambda match: f"### {match[1]}\n{_render_section(match[1], match[2])}", manual)
    return sections.rstrip("\n") + "\n"


def _render_section(name: str, text: str) -> str:
    if name not in CLIENT_COMMANDS or name == _SAME_AS_RUN:
        return text
    prose = "\n".join(line for line in text.strip("\n").splitlines() if not line.startswith("|")).rstrip()
    rows = list(list_rows(make_parser(name)))
    table = "\n".join(["", *_HEAD, *rows, ""]) if rows else ""
    return f"\n{prose}\n{table}\n"


def list_rows(parser: argparse.ArgumentParser, prefix: str = "") -> Iterator[str]:
    """Yield a row for each flag of a command, and of its verbs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, inner in action.choices.items():
                yield from list_rows(inner, f"{prefix.removesuffix(': ')} {verb}: ".lstrip())
        elif (
            action.option_strings
            and action.help != argparse.SUPPRESS
            and not {"--help", "--host"} & set(action.option_strings)
        ):
            flags = ", ".join(f"`{flag}`" for flag in action.option_strings)
            value = f" {action.metavar or 'VALUE'}" if action.nargs != 0 else ""
            yield f"| {prefix}{flags}{value.replace('|', chr(92) + '|')} | {(action.help or '').replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    MANUAL_PATH.write_text(render_manual(MANUAL_PATH.read_text()))
