"""The lines that are run by Docker and by hold, and the document that says where they are meant to differ."""

import re
from pathlib import Path

from tests.compare.lines.lines import read_lines
from tests.compare.lines.shapes import find_shape

DOCUMENT_PATH = Path(__file__).parents[2] / "docs/docker-differences.md"


def test_every_intended_difference_has_its_reason_in_the_document() -> None:
    rows = re.findall(r"^\| ([a-z0-9-]+) \|", DOCUMENT_PATH.read_text(), re.MULTILINE)
    marks = [row for row in rows if row not in ("mark", "line")]
    assert len(marks) == len(set(marks))
    assert {line.reason for line in read_lines()} - {""} == set(marks)


def test_there_are_lines_for_every_topic() -> None:
    lines = read_lines()
    assert len({line.name for line in lines}) == len(lines) > 300
    assert all("docker " in line.script for line in lines)


def test_what_is_left_to_chance_is_taken_out_of_outputs() -> None:
    output = f"{'ab' * 32}  Up 3 seconds\tx 172.17.0.3 2026-01-02T03:04:05.6Z 02:42:ac:11:00:02 \n\nnext\n"
    assert find_shape(output) == ("ID  Up TIME  x ADDRESS DATE MAC", "", "next")
