"""Where something copied comes to lie: Docker's rules for the two paths of `cp`, without looking at anything."""

from typing import NamedTuple

from controller.errors import Invalid, NotFound


class Source(NamedTuple):
    """What is copied. `name` is what it is called; `contents` asks for what is in a directory, not for itself.

    A source without a name is an archive as it is, which only goes into a directory.
    """

    name: str
    is_directory: bool
    contents: bool = False


class Target(NamedTuple):
    """What is at the path that is copied to. `path` is as the user wrote it."""

    path: str
    exists: bool
    is_directory: bool


class Landing(NamedTuple):
    """In the directory at the target, or beside it in the one above; `name` replaces the first part of each entry.

    An empty name drops that part, so that the entries land in the directory itself; None leaves entries as they are.
    """

    inside: bool
    name: str | None


def asks_for_contents(path: str) -> bool:
    """Tell whether a path means what is in a directory: it ends in `/.`, or is the root."""
    return path == "." or path.endswith("/.") or path.strip("/") == ""


def asks_for_directory(path: str) -> bool:
    """Tell whether a path can only be that of a directory."""
    return path.endswith("/") or asks_for_contents(path)


def choose_landing(source: Source, target: Target) -> Landing:
    """Return where the source lands; NotFound and Invalid as Docker refuses it."""
    if not source.name:
        if not target.exists:
            raise NotFound(f"{target.path} does not exist: make the directory first")
        if not target.is_directory:
            raise Invalid(f"{target.path} is not a directory: an archive is unpacked into one")
        return Landing(inside=True, name=None)
    if target.exists and target.is_directory:
        return Landing(inside=True, name="" if source.is_directory and source.contents else source.name)
    last = target.path.rstrip("/").rsplit("/", 1)[-1]
    if target.exists:
        if source.is_directory:
            raise Invalid(f"{target.path} is a file: a directory can't be copied to it")
        if asks_for_directory(target.path):
            raise Invalid(f"{target.path} is not a directory: leave the slash out to replace the file")
        return Landing(inside=False, name=last)
    if source.is_directory:
        return Landing(inside=False, name=last)
    if asks_for_directory(target.path):
        raise NotFound(f"{target.path} does not exist: make the directory first, or leave the slash out")
    return Landing(inside=False, name=last)


def rename(entry: str, name: str | None) -> str:
    """Return an entry's name with its first part replaced."""
    if name is None:
        return entry
    _, slash, rest = entry.partition("/")
    return f"{name}{slash}{rest}" if name else rest
