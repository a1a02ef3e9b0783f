"""What may stand at the end of a command line, out of the parsers and the objects that there are. For completion."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from controller.cli.client import KINDS, Failure, parse_kind
from controller.cli.groups import GROUPS, list_verbs, resolve
from controller.cli.main import COMMANDS, make_parser
from controller.cli.parser import Parser

ListNames = Callable[[str], Mapping[str, str]]
"""Returns names of a kind's objects with a word on each, for containers the phase; nothing when nobody answers."""

_KINDS_BY_METAVAR = {
    "CONTAINER": "Container",
    "IMAGE": "Image",
    "NETWORK": "Network",
    "VOLUME": "Volume",
    "SNAPSHOT": "Volume",
    "NAME[:TAG]": "Image",
}
_KINDS_BY_FLAG = {"network": "Network", "volumes_from": "Container", "link": "Container", "source": "Volume"}
_VALUES_BY_FLAG: dict[str, Sequence[str]] = {
    "restart": ("no", "always", "unless-stopped", "on-failure"),
    "signal": ("SIGTERM", "SIGKILL", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"),
    "stop_signal": ("SIGTERM", "SIGKILL", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"),
    "runtime": ("crun", "runc"),
    "type": tuple(words[0] for words in KINDS.values()),
    "output": ("wide", "json", "yaml", "name", "jsonpath=", "custom-columns="),
    "condition": ("condition=Ready", "delete", "jsonpath="),
}
_PHASES = {
    "start": ("Exited", "Failed", "Pending"),
    "unpause": ("Paused",),
    **dict.fromkeys(("stop", "kill", "pause", "exec", "attach", "top"), ("Running", "Paused", "Stopping")),
}
"""Phases of the containers that a command is for; others are for all."""

_MAKES_NAMES = ("network create", "volume create", "commit", "import")
_FILES = ("FILE", "FILE|-", "FILE|URL|-", "COMMAND")


@dataclass(slots=True, kw_only=True)
class Candidates:
    """Words with what they are. `files` asks the shell to offer files as well."""

    words: dict[str, str] = field(default_factory=dict)
    files: bool = False


def complete(words: Sequence[str], list_names: ListNames) -> Candidates:
    """Return what the last of the words, which may be empty, may become."""
    *before, last = words or [""]
    found = _complete_words(_drop_host(before), last, list_names)
    found.words = {word: what for word, what in found.words.items() if word.startswith(last)}
    return found


def _drop_host(words: Sequence[str]) -> list[str]:
    rest = list(words)
    while rest and rest[0].split("=")[0] in ("--host", "-H"):
        rest = rest[1:] if "=" in rest[0] else rest[2:]
    return rest


def _complete_words(before: list[str], last: str, list_names: ListNames) -> Candidates:
    if not before:
        flat = {name: what for name, (_, _, what) in COMMANDS.items() if " " not in name}
        return Candidates(words=flat | {noun: f"{noun} commands" for noun in GROUPS})
    try:
        name, *rest = resolve(before, COMMANDS)
    except LookupError:
        return Candidates()
    if name in GROUPS:
        return Candidates(
            words={verb: COMMANDS[words[0]][2] for verb, words in list_verbs(name, COMMANDS).items()}
        )
    if not COMMANDS[name][0]:
        return Candidates()
    return _Line(name, make_parser(name), list_names).complete(rest, last)


class _Line:
    """The words behind a command."""

    def __init__(self, name: str, parser: Parser, list_names: ListNames) -> None:
        self._name = name
        self._parser = parser
        self._list_names = list_names
        self._plain: list[str] = []

    def complete(self, before: list[str], last: str) -> Candidates:
        """Return what the last word may become behind the others."""
        value_of: argparse.Action | None = None
        for word in before:
            if value_of is not None:
                value_of = None
            elif word.startswith("-") and not self._is_of_program():
                value_of = self._find_value_flag(word)
            elif not self._take_verb(word):
                self._plain.append(word)
        if value_of is not None:
            return self._complete_value(value_of)
        if not last.startswith("-") or self._is_of_program():
            return self._complete_plain(last)
        flag, equals, _ = last.partition("=")
        if not equals:
            return Candidates(words=dict(self._list_flags()))
        inner = self._complete_value(self._parser.find_flag(flag))
        return Candidates(
            words={f"{flag}={word}": what for word, what in inner.words.items()}, files=inner.files
        )

    def _take_verb(self, word: str) -> bool:
        """Go on with the parser of a verb, if the command has it."""
        parser = self._parser.find_verbs().get(word)
        if parser is None:
            return False
        self._name, self._parser = f"{self._name} {word}", parser
        return True

    def _is_of_program(self) -> bool:
        """Tell whether the next word belongs to the program that is to run."""
        plain = self._parser.list_plain()
        return len(plain) > 1 and plain[-1].nargs == argparse.REMAINDER and len(self._plain) >= len(plain) - 1

    def _find_value_flag(self, word: str) -> argparse.Action | None:
        """Return the flag whose value comes next, None when it has its value or takes none."""
        action = self._parser.find_flag(word if word.startswith("--") else f"-{word[-1]}")
        return action if action is not None and action.nargs is None else None

    def _list_flags(self) -> Iterator[tuple[str, str]]:
        for action in self._parser.list_flags():
            long = [flag for flag in action.option_strings if flag.startswith("--")]
            yield (long or action.option_strings)[0], action.help or ""

    def _complete_value(self, action: argparse.Action | None) -> Candidates:
        if action is None:
            return Candidates()
        if action.dest in _KINDS_BY_FLAG:
            return Candidates(words=dict(self._list_names(_KINDS_BY_FLAG[action.dest])))
        words = dict.fromkeys(map(str, action.choices or _VALUES_BY_FLAG.get(action.dest, ())), "")
        return Candidates(words=words, files=not words and action.metavar in _FILES)

    def _complete_plain(self, last: str) -> Candidates:
        verbs = self._parser.find_verbs()
        if verbs:
            return Candidates(words=dict.fromkeys(verbs, ""))
        actions = self._parser.list_plain()
        if not actions or (len(self._plain) >= len(actions) and actions[-1].nargs in (None, "?")):
            return Candidates()
        action = actions[min(len(self._plain), len(actions) - 1)]
        metavar = str(action.metavar)
        if metavar.startswith("TYPE"):
            return self._complete_reference(last, metavar)
        if metavar in _FILES or self._name == "cp":
            names = self._list_names("Container") if self._name == "cp" else {}
            return Candidates(words={f"{name}:": what for name, what in names.items()}, files=True)
        words = dict.fromkeys(map(str, action.choices or ()), "")
        return Candidates(words=words | self._list_objects(metavar))

    def _list_objects(self, metavar: str) -> dict[str, str]:
        if self._name == "inspect":
            return {name: kind for kind in KINDS for name in self._list_names(kind)}
        if metavar not in _KINDS_BY_METAVAR or self._name in _MAKES_NAMES:
            return {}
        return self._list_unnamed(_KINDS_BY_METAVAR[metavar])

    def _list_unnamed(self, kind: str) -> dict[str, str]:
        """Return the objects that the command is for and that are not on the line yet."""
        phases = _PHASES.get(self._name)
        return {
            name: what
            for name, what in self._list_names(kind).items()
            if name not in self._plain and (phases is None or kind != "Container" or what in phases)
        }

    def _complete_reference(self, last: str, metavar: str) -> Candidates:
        """Return types, then names: behind a type, or in one word with it."""
        more = ("all", "sources", "events") if self._name == "get" else ()
        try:
            if "/" in last and "TYPE/NAME" in metavar:
                word = last.partition("/")[0]
                names = self._list_names(parse_kind(word))
                return Candidates(words={f"{word}/{name}": what for name, what in names.items()})
            if self._plain and "/" not in self._plain[0] and "TYPE/NAME" in metavar:
                return Candidates(words=self._list_unnamed(parse_kind(self._plain[0])))
        except Failure:
            return Candidates()
        types = dict.fromkeys([words[0] for words in KINDS.values()], "type")
        return Candidates(words=types | dict.fromkeys(more, ""))
