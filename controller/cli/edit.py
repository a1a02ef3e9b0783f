"""edit: an object in an editor."""

import argparse
import os
import shlex
import tempfile
from pathlib import Path

from controller.api.v1 import state_pb2
from controller.cli.client import Client, Failure, parse_references
from controller.cli.output import render_spec
from controller.cli.sources import load_manifests
from controller.cli.transport import CallFailed

_HEAD = "# Change what you like and save; an empty file gives up. Lines that begin with # are left out.\n"


def add_edit(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold edit`."""
    parser.add_argument("references", nargs="+", metavar="TYPE/NAME", help="The object.")


def run_edit(client: Client, options: argparse.Namespace) -> int:
    """Open the object in $EDITOR and apply what comes back; a refused text is opened again with the reason on top."""
    keys = parse_references(options.references)
    if len(keys) != 1:
        raise Failure("name one object: TYPE/NAME or TYPE NAME")
    resource = client.get(keys[0].kind, keys[0].name)
    before = render_spec(resource)
    text, reason = before, ""
    with tempfile.TemporaryDirectory(prefix="hold-edit-") as directory:
        path = Path(directory) / f"{resource.metadata.name.replace('/', '_')}.yaml"
        while True:
            comment = "".join(f"# {line}\n" for line in reason.splitlines())
            path.write_text(_HEAD + comment + text)
            _open_editor(path)
            edited = "".join(
                line for line in path.read_text().splitlines(keepends=True) if not line.startswith("#")
            )
            if not edited.strip() or edited == before or (reason and edited == text):
                kept = _keep(edited) if reason and edited.strip() else ""
                why = f": {reason}" if reason else ""
                raise Failure(f"nothing was changed{why}{kept}")
            path.write_text(edited)
            try:
                changed = load_manifests([str(path)])
                client.apply(state_pb2.ApplyRequest(resources=changed, manager=resource.metadata.manager))
            except (Failure, CallFailed) as error:
                text, reason = edited, str(error)
                continue
            print(f"{resource.kind.lower()}/{resource.metadata.name} edited")
            return 0


def _open_editor(path: Path) -> None:
    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        code = os.spawnvp(os.P_WAIT, words[0], [*words, str(path)])  # noqa: S606 - the user's own program
    except OSError as error:
        raise Failure(f"the editor {words[0]} can't be run: set EDITOR") from error
    if code != 0:
        raise Failure(f"the editor {words[0]} ended with exit code {code}: nothing was changed")


def _keep(text: str) -> str:
    """Keep a text that was refused, so that nothing typed is lost; return words that say where."""
    file_fd, name = tempfile.mkstemp(prefix="hold-edit-", suffix=".yaml")
    with os.fdopen(file_fd, "w") as file:
        file.write(text)
    return f"\nyour text is kept in {name}"
