"""apply, plan, delete: what manifests make of the present state."""

import argparse
import os
import sys
from collections.abc import Iterable

from controller.api.v1 import state_pb2
from controller.cli.client import Client, Failure, parse_kind, parse_references
from controller.cli.deletion import complete_name, wait_for_deletion
from controller.cli.sources import add_filename_flag, load_manifests

_PAST = {
    "create": "created",
    "update": "configured",
    "recreate": "recreated",
    "delete": "deleted",
    "unchanged": "unchanged",
}
_COLOURS = {"create": "32", "update": "33", "recreate": "35", "delete": "31", "unchanged": "2"}


def name_of(key: state_pb2.Key) -> str:
    """Return `container/web`."""
    return f"{key.kind.lower()}/{key.name}"


# --- apply ---


def add_apply(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold apply`."""
    add_filename_flag(parser)
    parser.add_argument(
        "--prune", action="store_true", help="Delete objects of the same manager that are not named."
    )
    parser.add_argument("--force", action="store_true", help="Take objects over from other managers.")
    parser.add_argument("--manager", default="", help="Who declares the objects; cli by default.")
    _add_dry_run_flag(parser)
    parser.add_argument("-o", "--output", choices=["name", "json", "yaml"], help="Print the objects instead.")


def _add_dry_run_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run",
        nargs="?",
        const="server",
        choices=["none", "client", "server"],
        default="none",
        help="Check, but write nothing.",
    )


def run_apply(client: Client, options: argparse.Namespace) -> int:
    """Apply manifests in one transaction."""
    request = state_pb2.ApplyRequest(
        resources=load_manifests(options.filename),
        manager=options.manager,
        force=options.force,
        prune=options.prune,
        dry_run=options.dry_run != "none",
    )
    answer = client.apply(request)
    if options.output in ("json", "yaml"):
        from controller.cli.output import print_documents

        print_documents(answer.resources, options.output)
        return 0
    suffix = " (dry run)" if request.dry_run else ""
    for outcome in answer.outcomes:
        words = "" if options.output == "name" else f" {_PAST[outcome.verb]}{suffix}"
        print(name_of(outcome.key) + words)
    return 0


# --- plan ---


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold plan`."""
    add_filename_flag(parser)
    parser.add_argument("--prune", action="store_true", help="Also plan what apply --prune deletes.")
    parser.add_argument("--force", action="store_true", help="Plan to take objects over from other managers.")
    parser.add_argument(
        "--delete", action="store_true", help="Plan the deletion of what the manifests declare."
    )


def run_plan(client: Client, options: argparse.Namespace) -> int:
    """Show what apply does, object by object, and the kernel actions."""
    resources = load_manifests(options.filename)
    keys = [state_pb2.Key(kind=each.kind, name=each.metadata.name) for each in resources]
    request = state_pb2.PlanRequest(
        resources=[] if options.delete else resources,
        deletions=keys if options.delete else [],
        force=options.force,
        prune=options.prune,
    )
    answer = client.channel.unary("StateService/Plan", request, state_pb2.PlanResponse)
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(render_plan(answer, coloured=coloured))
    return 0


def render_plan(plan: state_pb2.PlanResponse, *, coloured: bool) -> str:
    """Return the plan as people read it."""
    actions = {(each.key.kind, each.key.name): list(each.actions) for each in plan.actions}
    lines: list[str] = []
    for outcome in plan.outcomes:
        lines += _render_outcome(outcome, coloured=coloured)
        lines += [f"    - {step}" for step in actions.pop((outcome.key.kind, outcome.key.name), [])]
    for (kind, name), steps in actions.items():
        lines.append(f"{kind.lower()}/{name} (follows)" if kind else "the host")
        lines += [f"    - {step}" for step in steps]
    counts = {verb: sum(each.verb == verb for each in plan.outcomes) for verb in _PAST}
    steps_count = sum(len(each.actions) for each in plan.actions)
    told = ", ".join(
        f"{count} to {verb}" if verb != "unchanged" else f"{count} unchanged"
        for verb, count in counts.items()
        if count
    )
    lines.append(f"Plan: {told or 'nothing'}; {steps_count} kernel actions.")
    return "\n".join(lines)


def _render_outcome(outcome: state_pb2.Outcome, *, coloured: bool) -> Iterable[str]:
    verb = {"update": "update in place"}.get(outcome.verb, outcome.verb)
    because = f" because of {', '.join(outcome.because)}" if outcome.because else ""
    title = f"{name_of(outcome.key)}: {verb}{because}"
    yield f"\033[{_COLOURS[outcome.verb]}m{title}\033[0m" if coloured else title
    if outcome.verb in ("update", "recreate"):
        for change in outcome.changes:
            yield f"    {change.path}: {change.old or '(none)'} -> {change.new or '(none)'}"


# --- delete ---


def add_delete(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold delete`."""
    parser.add_argument("references", nargs="*", metavar="TYPE NAME | TYPE/NAME", help="What to delete.")
    add_filename_flag(parser)
    parser.add_argument("-l", "--selector", default="", help="Delete what has these labels.")
    parser.add_argument("--all", action="store_true", help="Delete every object of the type.")
    parser.add_argument(
        "--cascade", action="store_true", help="Delete the containers that use the objects too."
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="Also objects of other managers, and without a plugin that is gone.",
    )
    parser.add_argument(
        "--grace-period", type=float, metavar="SECONDS", help="Time from the stop signal to SIGKILL."
    )
    parser.add_argument(
        "--wait",
        nargs="?",
        const="true",
        default="true",
        choices=["true", "false"],
        help="Wait until the objects are gone.",
    )
    parser.add_argument("--ignore-not-found", action="store_true", help="Missing objects are no error.")
    _add_dry_run_flag(parser)


def run_delete(client: Client, options: argparse.Namespace) -> int:
    """Delete objects and wait until nothing of them is left."""
    keys = _list_doomed(client, options)
    if not keys:
        print("nothing to delete")
        return 0
    request = state_pb2.DeleteRequest(
        keys=keys,
        force=options.force,
        forget_drivers=options.force,
        cascade=options.cascade,
        grace_period_s=options.grace_period,
        dry_run=options.dry_run != "none",
    )
    answer = client.delete(request)
    waiting = [outcome.key for outcome in answer.outcomes]
    if request.dry_run:
        for key in waiting:
            print(f"{name_of(key)} deleted (dry run)")
        return 0
    if options.wait == "true":
        wait_for_deletion(client, answer)
    for key in waiting:
        print(f"{name_of(key)} deleted")
    return 0


def _list_doomed(client: Client, options: argparse.Namespace) -> list[state_pb2.Key]:
    if options.filename:
        keys = [
            state_pb2.Key(kind=each.kind, name=each.metadata.name)
            for each in load_manifests(options.filename)
        ]
        present = {(each.kind, each.metadata.name) for each in client.list_all()}
        found = [key for key in keys if (key.kind, complete_name(key)) in present]
        missing = [name_of(key) for key in keys if (key.kind, complete_name(key)) not in present]
        if missing and not found and not options.ignore_not_found:
            raise Failure(f"none of these exists: {', '.join(missing)}")
        return found
    if options.all or options.selector:
        if len(options.references) != 1:
            raise Failure("name one type, such as `hold delete containers --all`")
        kind = parse_kind(options.references[0])
        return [
            state_pb2.Key(kind=kind, name=each.metadata.name)
            for each in client.list_all(kind, options.selector)
        ]
    keys = parse_references(options.references)
    if not keys:
        raise Failure("name what to delete: TYPE NAME, TYPE/NAME, -f FILE, -l SELECTOR or --all")
    if options.ignore_not_found:
        keys = [key for key in keys if client.find(key.kind, key.name) is not None]
    return keys
