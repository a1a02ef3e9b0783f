"""wait: until objects are as asked."""

import argparse
import contextlib
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from controller.api.v1 import resource_pb2
from controller.cli.client import Client, Failure, parse_kind, parse_references
from controller.cli.fields import find_condition, to_document

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?$")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}

Test = Callable[[dict[str, Any]], bool]


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold wait`."""
    parser.add_argument(
        "references", nargs="*", metavar="TYPE NAME | TYPE/NAME | CONTAINER", help="What to wait for."
    )
    parser.add_argument(
        "--for",
        dest="condition",
        default="",
        help="condition=NAME[=True|False], delete or jsonpath={PATH}=VALUE; without it, the end of containers.",
    )
    parser.add_argument("--all", action="store_true", help="Every object (of the type, if one is named).")
    parser.add_argument("-l", "--selector", default="", help="Objects with these labels.")
    parser.add_argument("--timeout", default="60s", help="How long to wait, such as 30s; 0 waits for ever.")


def run_wait(client: Client, options: argparse.Namespace) -> int:
    """Wait; exit code 1 when the time is over. Without --for, print exit codes of containers as `docker wait` does."""
    if not options.condition:
        return _wait_for_ends(client, options.references)
    timeout_s = parse_timeout_s(options.timeout)
    with deadline(timeout_s):
        try:
            _wait(client, options)
        except TimeoutError as error:
            reason = str(error) or "the condition does not hold yet"
            raise Failure(f"not within {options.timeout}: {reason}") from error
    return 0


def parse_timeout_s(text: str) -> float:
    """Return seconds for `30s`, `2m` or `5`."""
    match = _DURATION.match(text)
    if match is None:
        raise Failure(f"{text!r} is not a time: write 30s or 2m")
    return float(match[1]) * _UNITS_S[match[2]]


@contextlib.contextmanager
def deadline(timeout_s: float) -> Iterator[None]:
    """Raise TimeoutError in the block when the time is over."""

    def ring(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _wait(client: Client, options: argparse.Namespace) -> None:
    resources, revision = client.list_at_revision("", options.selector)
    waiting = _Waiting(
        keys=_choose(client, options, resources),
        test=_parse_condition(options.condition),
        for_deletion=options.condition == "delete",
        tolerant=options.all,
    )
    present = {(each.kind, each.metadata.name): each for each in resources}
    for key in list(waiting.keys):
        waiting.look(key, present.get(key))
    if not waiting.keys:
        return
    try:
        for change in client.watch(after=revision):
            gone = change.type == "DELETED"
            key = (change.resource.kind, change.resource.metadata.name)
            waiting.look(key, None if gone else change.resource)
            if not waiting.keys:
                return
    except TimeoutError as error:
        raise TimeoutError(_explain(client, waiting.keys)) from error


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """The objects that are not yet as asked. `tolerant` takes one that goes away as done."""

    keys: set[tuple[str, str]]
    test: Test
    for_deletion: bool
    tolerant: bool

    def look(self, key: tuple[str, str], state: resource_pb2.Resource | None) -> None:
        """Take in a state of an object, None when it is not there."""
        if key not in self.keys:
            return
        if state is None and not (self.for_deletion or self.tolerant):
            raise Failure(f"{key[0].lower()}/{key[1]} does not exist, or was deleted")
        if state is None:
            _tell(self.keys, key, "deleted")
        elif not self.for_deletion and self.test(to_document(state)):
            _tell(self.keys, key)


def _tell(waiting: set[tuple[str, str]], key: tuple[str, str], what: str = "condition met") -> None:
    waiting.discard(key)
    print(f"{key[0].lower()}/{key[1]} {what}", flush=True)


def _explain(client: Client, waiting: set[tuple[str, str]]) -> str:
    """Return which objects are not as asked, with what their Ready condition says."""
    told = []
    for kind, name in sorted(waiting):
        document = to_document(client.find(kind, name) or resource_pb2.Resource())
        conditions = document.get("status", {}).get("conditions", [])
        ready: dict[str, str] = next((each for each in conditions if each["type"] == "Ready"), {})
        reason = ": ".join(part for part in (ready.get("reason", ""), ready.get("message", "")) if part)
        told.append(f"{kind.lower()}/{name} ({reason or 'no status yet'})")
    return ", ".join(told)


def _choose(
    client: Client, options: argparse.Namespace, resources: list[resource_pb2.Resource]
) -> set[tuple[str, str]]:
    if options.all or options.selector:
        kind = parse_kind(options.references[0]) if options.references else ""
        return {(each.kind, each.metadata.name) for each in resources if kind in ("", each.kind)}
    keys = parse_references(options.references)
    if not keys:
        raise Failure("name what to wait for: TYPE NAME, TYPE/NAME or --all")
    return {(key.kind, _full_name(client, key.kind, key.name)) for key in keys}


def _full_name(client: Client, kind: str, name: str) -> str:
    found = client.find(kind, name)
    return found.metadata.name if found is not None else name


def _parse_condition(text: str) -> Test:
    name, _, rest = text.partition("=")
    if name == "delete" and not rest:
        return lambda _: False
    if name == "condition" and rest:
        kind, _, status = rest.partition("=")
        wanted = (status or "True").capitalize()
        return lambda document: _is_current(document) and find_condition(document, kind) == wanted
    if name == "jsonpath" and "}=" in rest:
        from controller.cli.jsonpath import find_all, render_value

        path, _, value = rest.strip("'\"").rpartition("}=")
        return lambda document: value in map(render_value, find_all(path.strip("{}"), document))
    raise Failure(
        f"{text!r} is not a condition: write condition=Ready, delete or jsonpath={{.status.phase}}=Running"
    )


def _is_current(document: dict[str, Any]) -> bool:
    """Tell whether the status speaks of the present spec."""
    generation = document["metadata"].get("generation", 0)
    return int(document.get("status", {}).get("observedGeneration", 0)) >= int(generation)


def _wait_for_ends(client: Client, names: list[str]) -> int:
    from controller.api.v1 import container_pb2

    if not names:
        raise Failure("name containers, or give --for")
    for name in names:
        name_only = name.partition("/")[2] if name.startswith("container/") else name
        request = container_pb2.WaitRequest(container=name_only)
        print(client.channel.unary("ContainerService/Wait", request, container_pb2.WaitResponse).exit.code)
    return 0
