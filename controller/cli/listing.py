"""Lists as Docker prints them: a table, ids alone, a JSON object a line, or by a template; shared by all of them."""

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from controller.cli.client import Failure
from controller.cli.tables import render_table

Row = Mapping[str, str]

_ACTION = re.compile(
    r"\{\{-?\s*(?:(?P<function>[a-z]+)\s+)?(?:\.(?P<key>\w*)|(?P<text>\"(?:[^\"\\]|\\.)*\"))\s*-?\}\}"
)
_FUNCTIONS: Mapping[str, Callable[[str], str]] = {
    "json": lambda text: json.dumps(text, ensure_ascii=False),
    "lower": str.lower,
    "upper": str.upper,
    "title": str.title,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What rows have: `titles` are all keys with the titles of their columns; `shown` are those of the usual table."""

    titles: Mapping[str, str]
    shown: Sequence[str]

    def render(self, rows: Sequence[Row], form: str) -> str:
        """Return rows by `table`, `json`, `table TEMPLATE` or TEMPLATE; an empty form is the usual table.

        Failure when a template names a key that rows don't have.
        """
        if form in ("", "table"):
            return render_table(
                [self.titles[key] for key in self.shown], [[row[key] for key in self.shown] for row in rows]
            )
        if form == "json":
            return "\n".join(json.dumps(dict(row), ensure_ascii=False) for row in rows)
        head, _, rest = form.partition(" ")
        if head != "table":
            return "\n".join(self._fill(form, row) for row in rows)
        lines = [self._fill(rest, each).split("\t") for each in (self.titles, *rows)]
        return render_table(lines[0], lines[1:])

    def _fill(self, template: str, row: Row) -> str:
        """Return the template with each `{{.Key}}`, `{{json .}}` and `{{upper .Key}}` filled in."""

        def replace(match: "re.Match[str]") -> str:
            function, key, text = match["function"], match["key"], match["text"]
            if key == "" and function == "json":
                return json.dumps(dict(row), ensure_ascii=False)
            if function not in (None, *_FUNCTIONS):
                raise Failure(f"{match[0]}: {function} is not known; known are {', '.join(_FUNCTIONS)}")
            value = str(json.loads(text)) if text is not None else self._find(key, row, match[0])
            return _FUNCTIONS[function](value) if function else value

        pieces, position = [], 0
        for match in _ACTION.finditer(template):
            pieces += [_unescape(template[position : match.start()]), replace(match)]
            position = match.end()
        return "".join([*pieces, _unescape(template[position:])])

    def _find(self, key: str, row: Row, action: str) -> str:
        if key not in self.titles:
            known = ", ".join(f".{each}" for each in self.titles)
            raise Failure(f"{action} is not known; known are {known}")
        return row[key]


def _unescape(text: str) -> str:
    return text.replace("\\t", "\t").replace("\\n", "\n")


def add_format_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--format`."""
    parser.add_argument(
        "--format",
        default="",
        help="table, json, a template such as '{{.ID}}: {{.Size}}', or 'table TEMPLATE'.",
    )


def print_lines(text: str) -> None:
    """Print a text, nothing when there is none."""
    if text:
        print(text)
