"""The ways in which default ulimits may be written, read into the long one: `parse_ulimits`."""

from collections.abc import Mapping


def parse_ulimits(value: object) -> object:
    """Return a mapping of names to limits.

    Accepts also `nofile=1024:2048,nproc=100`, as flags have it, and Docker's `{nofile: {Name: nofile, Soft: 1, Hard: 2}}`.
    """
    if isinstance(value, str):
        pairs = (item.strip().partition("=") for item in value.split(",") if item.strip())
        return {name: limit for name, _, limit in pairs}
    if isinstance(value, Mapping):
        return {name: _read_dockers(name, limit) for name, limit in value.items()}
    return value


def _read_dockers(name: object, limit: object) -> object:
    """Return a limit in the words of manifests; ValueError when it is of another name than its key."""
    if not isinstance(limit, Mapping) or not {"Name", "Soft", "Hard"} & set(limit):
        return limit
    if limit.get("Name", name) != name:
        raise ValueError(f"{name}: is called {limit['Name']!r} inside: write the same name twice")
    return {
        {"Soft": "soft", "Hard": "hard"}.get(key, key): each for key, each in limit.items() if key != "Name"
    }
