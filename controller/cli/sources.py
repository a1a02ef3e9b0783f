"""Manifests that a command line names: files, directories, addresses, standard input."""

import argparse
import sys
from pathlib import Path
from typing import Any

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure

_TIMEOUT_S = 30


def add_filename_flag(parser: argparse.ArgumentParser) -> None:
    """Add `-f`."""
    parser.add_argument(
        "-f",
        "--filename",
        action="append",
        default=[],
        metavar="FILE",
        help="File, directory, URL, or - for standard input.",
    )
    parser.add_argument(
        "-R", "--recursive", action="store_true", help="Also sub-directories, which is always done."
    )


def load_manifests(names: list[str]) -> list[resource_pb2.Resource]:
    """Return the resources of all manifests named; Failure lists every mistake with its place."""
    from controller.api.convert import to_proto
    from controller.errors import HoldError
    from controller.manifests.load import load_documents, load_path

    if not names:
        raise Failure("name manifests by -f FILE")
    try:
        loaded = []
        for name in names:
            if name == "-":
                loaded += load_documents(sys.stdin.read(), source="standard input")
            elif "://" in name:
                loaded += load_documents(_fetch(name), source=name)
            else:
                loaded += load_path(Path(name))
    except HoldError as error:
        findings = [str(each) for each in error.violations]
        if len(findings) > 1:
            raise Failure(
                "\n  ".join(["the manifests have mistakes, nothing was changed", *findings])
            ) from error
        raise Failure(error.message) from error
    if not loaded:
        raise Failure(f"no objects are declared in {', '.join(names)}")
    resources: list[resource_pb2.Resource] = []
    for each in loaded:
        message = to_proto(each.resource)
        message.ClearField("status")
        resources.append(message)
    return resources


def _fetch(url: str) -> str:
    """Return the text at an http or https address."""
    import urllib.error
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise Failure(f"{url}: only http and https addresses can be fetched")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the scheme is checked above
            body: Any = answer.read()
    except (urllib.error.URLError, TimeoutError) as error:
        raise Failure(f"{url} can't be fetched: {error}") from error
    return bytes(body).decode("utf-8", "replace")
