"""Lists as Docker prints them: a table, ids alone, a JSON object a line, or by a template; shared by all of them."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.cli.formats import Format
from controller.cli.tables import render_table

Row = Mapping[str, str]


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
            form = "{{json .}}"
        head, _, rest = form.partition(" ")
        if head != "table":
            template = Format(form)
            return "\n".join(template.fill(row) for row in rows)
        template = Format(rest)
        lines = [template.fill(each).split("\t") for each in (self.titles, *rows)]
        return render_table(lines[0], lines[1:])


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
