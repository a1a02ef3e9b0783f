"""prune: removes what nobody needs; of one kind, or of all by `system prune`."""

import argparse
import sys
from collections.abc import Sequence

from controller.api.v1 import system_pb2
from controller.cli.client import Client, Failure
from controller.cli.deletion import wait_until_gone
from controller.cli.logs import parse_moment
from controller.cli.tables import render_size

_UNTIL = "until=TIME"
_LABELS = "label=NAME[=VALUE] or label!=NAME[=VALUE]"
_DANGLING = "dangling=true|false"
_ALL = "all=true|false"
_KINDS = {
    "Container": "all stopped containers",
    "Network": "all networks not used by at least one container",
    "Volume": "all anonymous volumes not used by at least one container",
    "Image": "all dangling images",
}
_ALL_VOLUMES = "all volumes not used by at least one container"
_ALL_IMAGES = "all images without at least one container associated to them"


def add_container_prune(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold container prune`."""
    _add_flags(parser, _UNTIL, _LABELS)


def run_container_prune(client: Client, options: argparse.Namespace) -> int:
    """Remove containers that have ended, or were never started."""
    return _prune(client, options, system_pb2.PruneRequest(kinds=["Container"]))


def add_network_prune(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold network prune`."""
    _add_flags(parser, _UNTIL, _LABELS)


def run_network_prune(client: Client, options: argparse.Namespace) -> int:
    """Remove networks that no container names."""
    return _prune(client, options, system_pb2.PruneRequest(kinds=["Network"]))


def add_volume_prune(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold volume prune`."""
    parser.add_argument("-a", "--all", action="store_true", help="Also volumes that somebody named.")
    _add_flags(parser, _LABELS, _ALL)


def run_volume_prune(client: Client, options: argparse.Namespace) -> int:
    """Remove anonymous volumes that no container uses; with --all all of them."""
    return _prune(client, options, system_pb2.PruneRequest(kinds=["Volume"], all_volumes=options.all))


def add_image_prune(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold image prune`."""
    parser.add_argument(
        "-a", "--all", action="store_true", help="Also images with names that no container uses."
    )
    _add_flags(parser, _UNTIL, _LABELS, _DANGLING)


def run_image_prune(client: Client, options: argparse.Namespace) -> int:
    """Remove content that no name stands for; with --all also images that no container uses."""
    return _prune(client, options, system_pb2.PruneRequest(kinds=["Image"], all_images=options.all))


def add_system_prune(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold system prune`."""
    parser.add_argument(
        "-a", "--all", action="store_true", help="Also images with names that no container uses."
    )
    parser.add_argument("--volumes", action="store_true", help="Also anonymous volumes.")
    _add_flags(parser, _UNTIL, _LABELS)


def run_system_prune(client: Client, options: argparse.Namespace) -> int:
    """Remove all that nobody needs: what a container used goes together with it."""
    kinds = ["Container", "Network", *(["Volume"] if options.volumes else []), "Image"]
    return _prune(client, options, system_pb2.PruneRequest(kinds=kinds, all_images=options.all))


def _add_flags(parser: argparse.ArgumentParser, *filters: str) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="Do not ask.")
    parser.add_argument("--dry-run", action="store_true", help="Tell what would go, and remove nothing.")
    parser.add_argument(
        "--filter", action="append", default=[], metavar="KEY=VALUE", help=f"Only {', '.join(filters)}."
    )


def _prune(client: Client, options: argparse.Namespace, request: system_pb2.PruneRequest) -> int:
    read_filters(request, options.filter)
    request.dry_run = options.dry_run
    if not (options.force or options.dry_run) and not confirm(describe_wish(request, options.filter)):
        raise Failure("nothing was removed")
    answer = client.channel.unary("SystemService/Prune", request, system_pb2.PruneResponse)
    if not options.dry_run:
        wait_until_gone(client, answer.keys)
    print("\n".join(describe_answer(answer, request)))
    return 0


def read_filters(request: system_pb2.PruneRequest, filters: Sequence[str]) -> None:
    """Put filters into a request. Failure when one is not known, or does not fit what is removed."""
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or not value:
            raise Failure(f"--filter {text!r}: write KEY=VALUE")
        match key:
            case "label":
                request.labels.append(value)
            case "label!":
                request.labels.append(f"!{value}")
            case "all" if list(request.kinds) == ["Volume"] and value in ("true", "false", "1", "0"):
                request.all_volumes = request.all_volumes or value in ("true", "1")
            case "until" if "Volume" in request.kinds:
                raise Failure(
                    "--filter until can't be used for volumes: a volume's age tells nothing of its data"
                )
            case "until":
                request.until.FromDatetime(parse_moment(value))
            case "dangling" if list(request.kinds) == ["Image"] and value in ("true", "false", "1", "0"):
                request.all_images = request.all_images or value in ("false", "0")
            case _:
                known = f"{_LABELS}, {_ALL}" if list(request.kinds) == ["Volume"] else f"{_UNTIL}, {_LABELS}"
                raise Failure(f"--filter {text!r} is not known: write {known}")


def describe_wish(request: system_pb2.PruneRequest, filters: Sequence[str]) -> str:
    """Return the warning that is shown before the question."""
    lines = {**_KINDS, "Image": _ALL_IMAGES if request.all_images else _KINDS["Image"]}
    lines["Volume"] = _ALL_VOLUMES if request.all_volumes else _KINDS["Volume"]
    if len(request.kinds) == 1:
        text = f"WARNING! This will remove {lines[request.kinds[0]]}."
    else:
        text = "\n".join(["WARNING! This will remove:", *(f"  - {lines[kind]}" for kind in request.kinds)])
    return text + (f"\nOnly what passes: {', '.join(filters)}" if filters else "")


def confirm(warning: str) -> bool:
    """Ask the person at the terminal; False when nobody is there."""
    print(f"{warning}\nAre you sure you want to continue? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def describe_answer(answer: system_pb2.PruneResponse, request: system_pb2.PruneRequest) -> list[str]:
    """Return what was removed: ids of containers, names of the others, as Docker prints them."""
    lines: list[str] = []
    done = "Would delete" if request.dry_run else "Deleted"
    for kind in ("Container", "Network", "Volume"):
        pairs = [
            (key.name, uid) for key, uid in zip(answer.keys, answer.uids, strict=True) if key.kind == kind
        ]
        if pairs:
            words = [uid if kind == "Container" else name for name, uid in pairs]
            lines += [f"{done} {kind}s:", *words, ""]
    untagged = [f"untagged: {key.name}" for key in answer.keys if key.kind == "Image"]
    deleted = [f"deleted: {image_id}" for image_id in answer.deleted_images]
    if untagged or deleted:
        lines += [f"{done} Images:", *untagged, *deleted, ""]
    if list(request.kinds) == ["Network"]:
        return lines or ["nothing to remove"]
    would = "Would reclaim" if request.dry_run else "Total reclaimed space"
    return [*lines, f"{would}: {render_size(answer.reclaimed_bytes, digits=4)}"]
