"""label, annotate: words on objects."""

import argparse

from controller.api.v1 import resource_pb2
from controller.cli.client import Client, Failure, parse_references


def add_label(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold label`."""
    parser.add_argument(
        "words",
        nargs="+",
        metavar="TYPE/NAME KEY=VALUE | KEY-",
        help="The object, then what to set or remove.",
    )


def add_annotate(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold annotate`."""
    add_label(parser)


def run_label(client: Client, options: argparse.Namespace) -> int:
    """Set or remove labels."""
    return _mark(client, options.words, "labels", "labeled")


def run_annotate(client: Client, options: argparse.Namespace) -> int:
    """Set or remove annotations."""
    return _mark(client, options.words, "annotations", "annotated")


def _mark(client: Client, words: list[str], field: str, done: str) -> int:
    first_change = next(
        (place for place, word in enumerate(words) if "=" in word or word.endswith("-")), len(words)
    )
    keys, changes = parse_references(words[:first_change]), words[first_change:]
    if not keys or not changes:
        raise Failure("name an object and what to set: TYPE/NAME KEY=VALUE, or KEY- to remove it")

    def edit(resource: resource_pb2.Resource) -> None:
        marks = getattr(resource.metadata, field)
        for change in changes:
            name, equals, value = change.partition("=")
            if equals:
                marks[name] = value
            else:
                marks.pop(name.removesuffix("-"), None)

    for key in keys:
        client.change(key.kind, key.name, edit)
        print(f"{key.kind.lower()}/{key.name} {done}")
    return 0
