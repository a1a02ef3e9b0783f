"""history, rollback: earlier specs of an object; history of an image by its name alone: its steps, as with Docker."""

import argparse

from controller.api.v1 import state_pb2
from controller.cli.client import KINDS, Client, Failure, parse_references
from controller.cli.declare import name_of
from controller.cli.image_history import add_history_flags, print_history
from controller.cli.output import print_documents
from controller.cli.tables import read_now, render_age, render_table


def _parse_one(references: list[str]) -> state_pb2.Key:
    keys = parse_references(references)
    if len(keys) != 1:
        raise Failure("name one object: TYPE/NAME or TYPE NAME")
    return keys[0]


def add_history(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold history`."""
    parser.add_argument("references", nargs="+", metavar="TYPE/NAME|IMAGE", help="The object; or an image.")
    parser.add_argument("-o", "--output", default="", help="json or yaml: the specs themselves.")
    add_history_flags(parser)


def run_history(client: Client, options: argparse.Namespace) -> int:
    """List the kept generations, newest first; of what is no TYPE/NAME but an image, the steps of its build."""
    if len(options.references) == 1 and not has_kind(options.references[0]):
        print_history(client, options.references[0], options)
        return 0
    request = state_pb2.HistoryRequest(key=_parse_one(options.references))
    answer = client.channel.unary("StateService/History", request, state_pb2.HistoryResponse)
    if options.output:
        print_documents(answer.resources, options.output)
        return 0
    now = read_now()
    rows = [
        [
            str(each.metadata.generation),
            str(each.metadata.revision),
            render_age(each.metadata.created_at.ToJsonString(), now),
            each.metadata.manager,
        ]
        for each in answer.resources
    ]
    print(render_table(["GENERATION", "REVISION", "OBJECT AGE", "MANAGER"], rows))
    return 0


def has_kind(reference: str) -> bool:
    """Tell whether a word begins with the word for a kind and a slash."""
    kind, slash, _ = reference.partition("/")
    return bool(slash) and any(kind in words for words in KINDS.values())


def add_rollback(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold rollback`."""
    parser.add_argument("references", nargs="+", metavar="TYPE/NAME", help="The object.")
    parser.add_argument(
        "--to-generation", type=int, default=0, help="Generation to return to; the one before the present."
    )
    parser.add_argument("--force", action="store_true", help="Also for objects of other managers.")


def run_rollback(client: Client, options: argparse.Namespace) -> int:
    """Make an earlier spec the desired one."""
    key = _parse_one(options.references)
    request = state_pb2.RollbackRequest(key=key, generation=options.to_generation, force=options.force)
    answer = client.channel.unary("StateService/Rollback", request, state_pb2.RollbackResponse)
    print(f"{name_of(answer.outcome.key)} rolled back")
    return 0
