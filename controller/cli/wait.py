"""wait: until objects are as asked."""

import argparse
import contextlib
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from controller.api.v1 import resource_pb2
from controller.cli.client import Client, Failure, parse_kind, parse_references
from controller.cli.fields import find_condition, to_document
from controller.cli.following import follow

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
            told = "is still there" if options.condition == "delete" else f"is not yet {options.condition}"
            reason = f"{error} {told}" if str(error) else "the daemon does not answer"
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
    waiting = _Waiting(
        keys=_choose(client, options),
        test=_parse_condition(options.condition),
        for_deletion=options.condition == "delete",
        tolerant=options.all,
    )
    if not waiting.keys and not waiting.for_deletion:
        raise Failure("no object is there that could be waited for: look at the selector, and at `hold get`")
    if not waiting.keys:
        return
    absent = set(waiting.keys)
    try:
        for change in client.watch(patience_s=None):
            if change.type == "SYNCED":
                for key in absent:
                    waiting.look(key, None)
                absent.clear()
            else:
                key = (change.resource.kind, change.resource.metadata.name)
                absent.discard(key)
                waiting.look(key, None if change.type == "DELETED" else change.resource)
            if not waiting.keys:
                return
    except TimeoutError as error:
        raise TimeoutError(_explain(waiting)) from error


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """The objects that are not yet as asked. `tolerant` takes one that goes away as done; `seen` are their last states."""

    keys: set[tuple[str, str]]
    test: Test
    for_deletion: bool
    tolerant: bool
    seen: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def look(self, key: tuple[str, str], state: resource_pb2.Resource | None) -> None:
        """Take in a state of an object, None when it is not there."""
        if key not in self.keys:
            return
        if state is None and not (self.for_deletion or self.tolerant):
            raise Failure(f"{key[0].lower()}/{key[1]} does not exist, or was deleted")
        if state is None:
            _tell(self.keys, key, "deleted")
            return
        self.seen[key] = to_document(state)
        if not self.for_deletion and self.test(self.seen[key]):
            _tell(self.keys, key)


def _tell(waiting: set[tuple[str, str]], key: tuple[str, str], what: str = "condition met") -> None:
    waiting.discard(key)
    print(f"{key[0].lower()}/{key[1]} {what}", flush=True)


def _explain(waiting: _Waiting) -> str:
    """Return which objects are not as asked, with what their Ready condition said last."""
    told = []
    for kind, name in sorted(waiting.keys):
        document = waiting.seen.get((kind, name), {})
        conditions = document.get("status", {}).get("conditions", [])
        ready: dict[str, str] = next((each for each in conditions if each["type"] == "Ready"), {})
        reason = ": ".join(part for part in (ready.get("reason", ""), ready.get("message", "")) if part)
        told.append(f"{kind.lower()}/{name} ({reason or 'no status yet'})")
    return ", ".join(told)


def _choose(client: Client, options: argparse.Namespace) -> set[tuple[str, str]]:
    if options.all or options.selector:
        kind = parse_kind(options.references[0]) if options.references else ""
        return {(each.kind, each.metadata.name) for each in client.list_all(kind, options.selector)}
    keys = parse_references(options.references)
    if not keys:
        raise Failure("name what to wait for: TYPE NAME, TYPE/NAME or --all")
    return {(key.kind, _full_name(client, key.kind, key.name)) for key in keys}


def _full_name(client: Client, kind: str, name: str) -> str:
    try:
        found = client.find_container(name) if kind == "Container" else client.find(kind, name)
    except Failure:
        return name
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
    if not names:
        raise Failure("name containers, or give --for")
    for name in names:
        print(_wait_for_end(client, name.removeprefix("container/")), flush=True)
    return 0


def _wait_for_end(client: Client, name: str) -> int:
    """Return the exit code of a container, however often the daemon comes and goes before its end."""
    from controller.api.v1 import container_pb2

    def make_request() -> container_pb2.WaitRequest:
        return container_pb2.WaitRequest(container=name)

    answers = follow(client.channel, "ContainerService/Wait", container_pb2.WaitResponse, make_request)
    return next(answer.exit.code for answer in answers)
