"""search: repositories of a registry, and tags of a repository."""

import argparse
import json

from controller.api.v1 import registry_pb2
from controller.cli.client import Client, Failure
from controller.cli.pull import find_login, read_reference
from controller.cli.tables import render_table
from controller.model.image_reference import DEFAULT_REGISTRY

_SHORT_DESCRIPTION = 45


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold search`."""
    parser.add_argument("term", metavar="[REGISTRY/]TERM", help="What to search for; Docker Hub by default.")
    parser.add_argument("--limit", type=int, default=25, help="Most results, from 1 to 100.")
    parser.add_argument("--no-trunc", action="store_true", help="Print whole descriptions.")
    parser.add_argument("--list-tags", action="store_true", help="TERM is a repository: list its tags.")
    parser.add_argument(
        "-f",
        "--filter",
        action="append",
        default=[],
        metavar="stars=N|is-official=BOOL",
        help="Show only what matches.",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help="How to print.")


def run_search(client: Client, options: argparse.Namespace) -> int:
    """Print what a registry has."""
    if options.list_tags:
        return _list_tags(client, options)
    first, slash, _ = options.term.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    credential = find_login(first if named else DEFAULT_REGISTRY)
    request = registry_pb2.SearchImagesRequest(term=options.term, limit=options.limit, credential=credential)
    answer = client.channel.unary("RegistryService/SearchImages", request, registry_pb2.SearchImagesResponse)
    images = [image for image in answer.images if _matches(image, options.filter)]
    if options.format == "json":
        for image in images:
            print(json.dumps(_to_fields(image)))
        return 0
    rows = [
        [
            image.name,
            image.description if options.no_trunc else _shorten(image.description),
            str(image.stars),
            "[OK]" if image.official else "",
        ]
        for image in images
    ]
    print(render_table(["NAME", "DESCRIPTION", "STARS", "OFFICIAL"], rows))
    return 0


def _list_tags(client: Client, options: argparse.Namespace) -> int:
    reference = read_reference(options.term)
    request = registry_pb2.ListTagsRequest(
        repository=f"{reference.registry}/{reference.repository}", credential=find_login(reference.registry)
    )
    answer = client.channel.unary("RegistryService/ListTags", request, registry_pb2.ListTagsResponse)
    if options.format == "json":
        print(json.dumps({"name": reference.familiar_name, "tags": list(answer.tags)}))
        return 0
    print(render_table(["NAME", "TAG"], [[reference.familiar_name, tag] for tag in answer.tags]))
    return 0


def _to_fields(image: registry_pb2.SearchedImage) -> dict[str, object]:
    return {
        "name": image.name,
        "description": image.description,
        "stars": image.stars,
        "official": image.official,
    }


def _matches(image: registry_pb2.SearchedImage, filters: list[str]) -> bool:
    for text in filters:
        name, _, value = text.partition("=")
        if name == "stars" and value.isdecimal():
            if image.stars < int(value):
                return False
        elif name == "is-official" and value in ("true", "false", "1", "0"):
            if image.official != (value in ("true", "1")):
                return False
        else:
            raise Failure(f"--filter: {text!r} is none: use stars=N or is-official=true")
    return True


def _shorten(text: str) -> str:
    return text if len(text) <= _SHORT_DESCRIPTION else f"{text[: _SHORT_DESCRIPTION - 1]}…"
