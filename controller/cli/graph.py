"""graph: networks, and who is on them, as text or as a picture.

Text and the document for Graphviz need nothing; a picture is laid out by Graphviz's `dot` program.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from controller.cli.client import Client, Failure
from controller.cli.fields import to_document
from controller.cli.graph_map import NetworkMap, draw_map

_FORMATS = ("text", "svg", "dot")
_ENDINGS = {".svg": "svg", ".dot": "dot", ".gv": "dot"}


def add_graph(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold graph`."""
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        default=None,
        help="text, svg (needs Graphviz) or dot; FILE's ending tells it too, else it is text.",
    )
    parser.add_argument("-o", "--output", default="-", metavar="FILE", help="Where to write it.")
    parser.add_argument("-l", "--selector", default="", help="Only containers with these labels.")
    parser.add_argument(
        "--network", action="append", default=[], metavar="NAME", help="Only this network; may be repeated."
    )


def run_graph(client: Client, options: argparse.Namespace) -> int:
    """Show the networks."""
    picture = _read(client, options)
    match options.format or _ENDINGS.get(Path(options.output).suffix, "text"):
        case "text":
            from controller.cli.graph_text import render_text

            _write(options.output, render_text(picture))
        case "dot":
            from controller.cli.graph_dot import render_dot

            _write(options.output, render_dot(picture))
        case _:
            from controller.cli.graph_dot import render_dot

            _lay_out(render_dot(picture), options.output)
    return 0


def _read(client: Client, options: argparse.Namespace) -> NetworkMap:
    networks = [to_document(each) for each in client.list_all("Network")]
    containers = [to_document(each) for each in client.list_all("Container", options.selector)]
    known = {each["metadata"]["name"] for each in networks}
    for name in options.network:
        if name not in known:
            raise Failure(f"network {name} does not exist: `hold network ls` lists those that do")
    return draw_map(networks, containers, only=options.network, whole=not options.selector)


def _write(path: str, text: str) -> None:
    if path == "-":
        sys.stdout.write(text)
        return
    try:
        Path(path).write_text(text)
    except OSError as error:
        raise Failure(f"{path} can't be written: {error.strerror}") from error


def _lay_out(document: str, path: str) -> None:
    """Let Graphviz write the picture."""
    program = shutil.which("dot")
    if program is None:
        raise Failure(
            "a picture needs Graphviz: install it (apt install graphviz), or take --format dot to draw it elsewhere"
        )
    with tempfile.NamedTemporaryFile("w", prefix="hold-graph-", suffix=".dot") as file:
        file.write(document)
        file.flush()
        target = [] if path == "-" else ["-o", path]
        code = os.spawnv(os.P_WAIT, program, ["dot", "-Tsvg", *target, file.name])  # noqa: S606 - no shell in between
    if code != 0:
        raise Failure(f"Graphviz could not write {path}: it ended with exit code {code}")
