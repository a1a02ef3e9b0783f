"""`hold container VERB` and `hold image VERB`: Docker's names for the flat commands."""

from collections.abc import Mapping, Sequence

from controller.cli.parser import suggest

Commands = Mapping[str, tuple[str, str, str]]
"""The table of commands: the module of each, its group in the help, and what it does."""

GROUPS = {"container": "Containers", "image": "Images", "system": "Daemon"}
"""Each noun with the group of the help whose commands are its verbs."""

_RENAMED: dict[str, tuple[str, ...]] = {
    "container ls": ("ps",),
    "container list": ("ps",),
    "container inspect": ("inspect", "--type", "container"),
    "container remove": ("rm",),
    "container wait": ("wait",),
    "image ls": ("images",),
    "image list": ("images",),
    "image rm": ("rmi",),
    "image remove": ("rmi",),
    "system events": ("events",),
}
"""Verbs of a noun that the flat command has another word for."""


def list_verbs(noun: str, commands: Commands) -> dict[str, tuple[str, ...]]:
    """Return the verbs of a noun, each with the words of the command that it stands for."""
    flat = {
        name: (name,) for name, (module, group, _) in commands.items() if module and group == GROUPS[noun]
    }
    verbs: dict[str, tuple[str, ...]] = {}
    for name, words in (*flat.items(), *_RENAMED.items()):
        first, _, verb = name.rpartition(" ")
        if first in ("", noun) and verb not in ("images", "rmi"):
            verbs[verb] = words
    return dict(sorted(verbs.items()))


def resolve(words: Sequence[str], commands: Commands) -> list[str]:
    """Return a command line with its command as one word of the table; LookupError says what is wrong with it.

    A noun without a verb, or with `--help` behind it, is returned as it is.
    """
    noun, *rest = words
    if noun not in GROUPS:
        if noun not in commands:
            near = suggest(noun, [*commands, *GROUPS])
            raise LookupError(f"hold: {noun!r} is not a command{near}: see `hold --help`")
        return list(words)
    if not rest or rest[0] in ("-h", "--help", "help"):
        return [noun]
    verbs = list_verbs(noun, commands)
    if rest[0] not in verbs:
        near = suggest(rest[0], verbs)
        raise LookupError(f"hold {noun}: {rest[0]!r} is not a verb{near}: see `hold {noun} --help`")
    return [*verbs[rest[0]], *rest[1:]]


def render_group_help(noun: str, commands: Commands) -> str:
    """Return the overview of a noun's verbs."""
    lines = [f"Usage: hold {noun} VERB ...", ""]
    for verb, words in list_verbs(noun, commands).items():
        same = "" if words[0] in (verb, f"{noun} {verb}") else f" (hold {words[0]})"
        lines.append(f"  {verb:<10} {commands[words[0]][2]}{same}")
    lines += ["", f"`hold {noun} VERB --help` tells more."]
    return "\n".join(lines)
