"""Which images a list shows: Docker's filters, and names with wildcards."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from controller.api.v1 import image_pb2
from controller.cli.client import Failure
from controller.cli.logs import parse_moment
from controller.cli.tables import parse_time

KNOWN = "dangling=true|false, reference=PATTERN, label=NAME[=VALUE], before=IMAGE, since=IMAGE or until=TIME"

Summary = image_pb2.ImageSummary
Test = Callable[[Summary], bool]


def choose_images(
    images: Sequence[Summary], filters: Sequence[str], find: Callable[[str], Summary], *, pattern: str = ""
) -> list[Summary]:
    """Return the images that pass, each with those names alone that pass; newest first.

    Filters of one key are alternatives, but for labels, which all have to be there. `find` returns the image that a
    word means.
    """
    tests, references = _read_filters(filters, find)
    passed = [image for image in images if all(test(image) for test in tests)]
    for patterns in ([pattern] if pattern else [], references):
        if patterns:
            passed = [kept for image in passed if (kept := _keep_names(image, patterns)) is not None]
    return sorted(passed, key=lambda image: (-_read_seconds(image), list(image.names), image.id))


def _read_filters(filters: Sequence[str], find: Callable[[str], Summary]) -> tuple[list[Test], list[str]]:
    tests: list[Test] = []
    references: list[str] = []
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or not value:
            raise Failure(f"--filter {text!r}: write {KNOWN}")
        if key == "reference":
            references.append(value)
        else:
            tests.append(_read_test(key, value, find))
    return tests, references


def _read_test(key: str, value: str, find: Callable[[str], Summary]) -> Test:
    match key:
        case "dangling":
            wanted = _read_switch(value)
            return lambda image: (not image.names) is wanted
        case "label":
            name, equals, text = value.partition("=")
            return lambda image: name in image.labels and (not equals or image.labels[name] == text)
        case "before":
            before = _read_seconds(find(value))
            return lambda image: _read_seconds(image) < before
        case "since":
            since = _read_seconds(find(value))
            return lambda image: _read_seconds(image) > since
        case "until":
            until = parse_moment(value)
            return lambda image: _read_created(image) < until
        case _:
            raise Failure(f"--filter {key}={value!r} is not known: write {KNOWN}")


def _read_switch(value: str) -> bool:
    if value.lower() in ("true", "1", "t"):
        return True
    if value.lower() in ("false", "0", "f"):
        return False
    raise Failure(f"--filter dangling={value}: write true or false")


def _read_created(image: Summary) -> datetime:
    return parse_time(image.created_at.ToJsonString())


def _read_seconds(image: Summary) -> float:
    return float(image.created_at.seconds) + image.created_at.nanos / 1e9


def _keep_names(image: Summary, patterns: Sequence[str]) -> Summary | None:
    """Return the image with the names that a pattern matches, None when there is none."""
    names = [name for name in image.names if any(is_match(name, pattern) for pattern in patterns)]
    if not names:
        return None
    kept = Summary()
    kept.CopyFrom(image)
    del kept.names[:]
    kept.names.extend(names)
    return kept


def is_match(name: str, pattern: str) -> bool:
    """Tell whether a name or its repository matches a pattern; `*` stops at slashes, as in Docker.

    Both are compared as people write them: without the default registry and without `library/`.
    """
    expression = re.compile(_translate(pattern.removeprefix("docker.io/").removeprefix("library/")))
    repository, _ = split_name(name)
    return any(expression.fullmatch(each) for each in (name, repository))


def split_name(name: str) -> tuple[str, str]:
    """Return repository and tag of a name; the digest stands for the tag where there is none."""
    repository, at, digest = name.partition("@")
    if at:
        return repository, digest
    head, slash, last = repository.rpartition("/")
    last, _, tag = last.partition(":")
    return head + slash + last, tag


def _translate(pattern: str) -> str:
    """Return the regular expression of a shell pattern whose wildcards don't match slashes (Go, path.Match)."""
    parts = []
    for piece in re.findall(r"\*|\?|\[[^\]]+\]|\\.|.", pattern):
        if piece == "*":
            parts.append("[^/]*")
        elif piece == "?":
            parts.append("[^/]")
        elif len(piece) > 2 and piece[0] == "[":
            parts.append(piece)
        else:
            parts.append(re.escape(piece[-1]))
    return "".join(parts)
