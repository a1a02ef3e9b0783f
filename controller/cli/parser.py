"""Reading the words of a command line: argparse with Docker's switches, and one line that says what is wrong."""

import argparse
import re
from collections.abc import Iterable
from typing import Any, NoReturn

EXIT_USAGE = 2
EXIT_DAEMON = 125
"""What Docker exits with when it is not the program in the container that failed."""

DOCKERS_CODE = ("run", "create", "exec")
"""Commands that end with EXIT_DAEMON when their line can't be read, or the daemon has gone: no program ends so."""

_COLUMNS = 78
_LEAST_CLUSTER = len("-it")
_ON = ("1", "t", "T", "true", "TRUE", "True")
_OFF = ("0", "f", "F", "false", "FALSE", "False")
_REWORDED = (
    (r"argument (\S+): ignored explicit argument (.+)", r"\1 is a switch: write \1, \1=true or \1=false, not \2"),
    (r"argument (\S+): expected one argument", r"\1 wants a value"),
    (r"argument (\S+): invalid (?:float|int) value: (.+)", r"\1: \2 is not a number"),
    (r"unrecognized arguments: (-\S+).*", r"\1 is not a flag of this command"),
    (r"unrecognized arguments: (.+)", r"there is no room for \1"),
)  # fmt: skip


class _Turn(argparse.Action):
    """Sets what the same flag without a value sets, or its opposite."""

    def __init__(self, switch: argparse.Action, *, value: object) -> None:
        super().__init__(switch.option_strings, switch.dest, nargs=0, const=value, default=argparse.SUPPRESS)

    def __call__(self, _: argparse.ArgumentParser, namespace: argparse.Namespace, *__: object) -> None:
        setattr(namespace, self.dest, self.const)


class _Cluster(argparse.Action):
    """Several switches in one word, of which the last has a value: `-it=false` is `-i -t=false`."""

    def __init__(self, word: str, switches: list[argparse.Action]) -> None:
        super().__init__([word], argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS)
        self._switches = switches

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: object) -> None:
        for switch in self._switches:
            switch(parser, namespace, [])


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, knows no abbreviated flags and takes `--switch=false`."""

    def __init__(self, *, add_help: bool = True, **options: Any) -> None:  # noqa: ANN401
        self._columns = _COLUMNS
        super().__init__(allow_abbrev=False, add_help=False, **options)
        if add_help:
            self.add_argument("-h", "--help", action="help", help="Show this and end.")

    def add_argument(self, *words: Any, **options: Any) -> argparse.Action:  # noqa: ANN401
        """Add a flag or a word; a switch also takes `=true` and `=false` in all of Docker's spellings."""
        action = super().add_argument(*words, **options)
        if isinstance(action.const, bool) and action.nargs == 0:
            for word in (*_ON, *_OFF):
                turn = _Turn(action, value=action.const is (word in _ON))
                self._option_string_actions |= {f"{flag}={word}": turn for flag in action.option_strings}
        return action

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401
        """Parse, with `-it=true` understood as Docker does."""
        for word in args or ():
            self._learn_cluster(str(word))
        return super().parse_known_args(args, namespace)

    def _learn_cluster(self, word: str) -> None:
        """Make a flag of a word that is several switches with a value; where it belongs to a program it stays a word."""
        letters, equals, value = word.partition("=")
        if (
            not equals
            or not letters.startswith("-")
            or letters.startswith("--")
            or len(letters) < _LEAST_CLUSTER
        ):
            return
        names = [*(f"-{letter}" for letter in letters[1:-1]), f"-{letters[-1]}={value}"]
        switches = [found for name in names if (found := self._option_string_actions.get(name)) is not None]
        if len(switches) != len(names) or any(switch.nargs != 0 for switch in switches):
            return
        self._option_string_actions[word] = _Cluster(word, switches)
        # argparse would take the beginning of the word for an abbreviation of it.
        plain = [self._option_string_actions[f"-{letter}"] for letter in letters[1:]]
        for end in range(_LEAST_CLUSTER, len(letters) + 1):
            begin = letters[:end]
            self._option_string_actions[begin] = _Cluster(begin, plain[: end - 1])

    def _get_formatter(self) -> argparse.HelpFormatter:
        """Return a new formatter. argparse asks for one with every flag, and each would look at the terminal."""
        return argparse.HelpFormatter(prog=self.prog, width=self._columns)

    def format_usage(self) -> str:
        """Return one line: what stands on the line besides flags."""
        if self.usage is not None:  # argparse has asked before, and takes words off the parser for a while
            return f"Usage: {self.usage.strip()}\n"
        words = [self.prog, "[FLAGS]", *(["VERB ..."] if self.find_verbs() else [])]
        return f"Usage: {' '.join([*words, *map(_show_plain, self.list_plain())])}\n"

    def format_help(self) -> str:
        """Return the usage, what the command does, and every flag."""
        import shutil

        self._columns = shutil.get_terminal_size().columns - 2
        usage, (_, _, rest) = self.format_usage(), super().format_help().partition("\n\n")
        return f"{usage}\n{rest}"

    def list_flags(self) -> list[argparse.Action]:
        """Return the flags, each once, without those that are only there to be refused."""
        flags = [action for action in self._actions if action.option_strings]
        return [flag for flag in flags if flag.help != argparse.SUPPRESS]

    def list_plain(self) -> list[argparse.Action]:
        """Return what stands on the line without a flag, in order; verbs are not among them."""
        return [
            action
            for action in self._actions
            if not action.option_strings and not isinstance(action.choices, dict)
        ]

    def find_flag(self, flag: str) -> argparse.Action | None:
        """Return the flag of this name."""
        return self._option_string_actions.get(flag)

    def find_verbs(self) -> "dict[str, Parser]":
        """Return the parsers of the verbs, if the command has any."""
        for action in self._actions:
            if isinstance(action.choices, dict):
                return dict(action.choices)
        return {}

    def error(self, message: str) -> NoReturn:
        """End with the exit code for wrong usage."""
        code = EXIT_DAEMON if self.prog.removeprefix("hold ") in DOCKERS_CODE else EXIT_USAGE
        words = self._tell_missing(message) or _tell_choices(message) or _reword(message)
        self.exit(code, f"{self.prog}: {words}{self._suggest(message)}: see `{self.prog} --help`\n")

    def _tell_missing(self, message: str) -> str:
        """Return which words are missing; those of a program to run may always be."""
        required = re.fullmatch(r"the following arguments are required: (.+)", message)
        if required is None:
            return ""
        of_program = {action.metavar for action in self._actions if action.nargs == argparse.REMAINDER}
        names = [name for name in required[1].split(", ") if name not in of_program]
        return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing"

    def _suggest(self, message: str) -> str:
        """Return the near miss of an unknown flag."""
        unknown = re.search(r"unrecognized arguments:.*?(--[\w-]+)", message)
        if unknown is None:
            return ""
        flags = [flag for flag in self._option_string_actions if "=" not in flag]
        return suggest(unknown[1], flags)


def _show_plain(action: argparse.Action) -> str:
    """Return a word of the usage: in brackets when it may be left out, with dots when there may be more."""
    name = str(action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper())
    match action.nargs:
        case "?":
            return f"[{name}]"
        case "+":
            return name if name.endswith("...") else f"{name}..."
        case "*" | argparse.REMAINDER:
            return f"[{name}...]"
        case _:
            return name


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for a near miss, nothing when nothing is near."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _tell_choices(message: str) -> str:
    """Return what a word may be that is none of those."""
    choice = re.fullmatch(r"argument (\S+): invalid choice: '(.*)' \(choose from (.+)\)", message)
    if choice is None:
        return ""
    flag, word = f"{_shorten(choice[1])}: ", choice[2]
    known = [each.strip("'") for each in choice[3].split(", ")]
    return f"{'' if '|' in flag else flag}{word!r} is not known{suggest(word, known)}; known are {', '.join(known)}"


def _shorten(flags: str) -> str:
    """Return one of the names of a flag, a long one if there is."""
    return next((flag for flag in flags.split("/") if flag.startswith("--")), flags)


def _reword(message: str) -> str:
    """Return an argparse message in our words; a flag is told by one of its names."""
    for pattern, words in _REWORDED:
        short = re.sub(r"(?<=argument )(-\S+)(?=:)", lambda match: _shorten(match[1]), message)
        match = re.fullmatch(pattern, short)
        if match:
            return match.expand(words)
    return message
