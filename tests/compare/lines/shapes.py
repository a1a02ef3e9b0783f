"""What of an output counts: chance, time and the width of columns are taken out of it."""

import re

PREFIXES = ("18", "19")
"""What host ports begin with, and subnets after 10: both engines are on one host, at the same time."""

_SUBSTITUTIONS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b(sha256:)?[0-9a-f]{64}\b", "ID"),
        (r"\b[0-9a-f]{32}\b", "ID"),
        (r"\b[0-9a-f]{12}\b", "ID"),
        (r"\b(Less than a|About an?|\d+) (second|minute|hour)s?\b", "TIME"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( [+-]\d{4} UTC|Z|[+-]\d\d:\d\d)?", "DATE"),
        (r"\b(172\.(1[6-9]|2\d|3[01])|10\.192)\.\d+\.\d+\b", "ADDRESS"),
        (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC"),
        (rf"\b({'|'.join(PREFIXES)})(?=\d{{3}}\b)", "P"),
        (rf"\b10\.({'|'.join(PREFIXES)})\.", "10.P."),
        (r"\b(3[2-9]|4\d|5\d|6[0-5])\d{3}\b(?!%)", "PORT"),
        (r" {2,}|\t", "  "),
    )
)


def find_shape(output: str) -> tuple[str, ...]:
    """Return the lines of an output, comparable between engines."""
    for pattern, replacement in _SUBSTITUTIONS:
        output = pattern.sub(replacement, output)
    return tuple(line.rstrip() for line in output.splitlines())
