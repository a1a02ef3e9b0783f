"""Docker's forms of mounts (`-v`, `--mount`, `--tmpfs`), read into the long one.

Needs no pydantic, so that the command line can read its flags quickly. ValueError says what is wrong with a text.
"""

import csv
import re
from collections.abc import Iterable

from controller.model.quantities import parse_size_bytes

_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_RECURSIVE = ("enabled", "disabled", "writable", "readonly")
_TYPES = ("volume", "bind", "tmpfs", "image")
_TRUE, _FALSE = ("", "true", "1"), ("false", "0")
_CONSISTENCY = ("consistent", "cached", "delegated", "default")
_TMPFS_WORDS = frozenset(
    {
        "exec", "noexec", "suid", "nosuid", "dev", "nodev", "sync", "async", "atime", "noatime", "diratime",
        "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime", "dirsync",
    }
)  # fmt: skip
_TMPFS_VALUES = re.compile(
    r"(uid|gid)=\d+|(nr_inodes|nr_blocks)=\d+[kKmMgG]?|mpol=[a-z]+[=:a-z0-9,-]*|huge=(never|always|within_size|advise)"
)
_OPTION_FIELDS = {
    "z": ("relabel", "shared"),
    "Z": ("relabel", "private"),
    "nocopy": ("nocopy", True),
}
_KEYS = {
    "type": "type", "source": "source", "src": "source", "target": "target", "dst": "target", "destination": "target",
    "readonly": "readOnly", "ro": "readOnly", "consistency": "", "bind-propagation": "propagation",
    "bind-recursive": "recursive", "bind-nonrecursive": "recursive", "bind-create-src": "createHostPath",
    "volume-nocopy": "nocopy", "volume-subpath": "subpath", "volume-driver": "driver", "volume-opt": "driverOptions",
    "volume-label": "labels", "tmpfs-size": "size", "tmpfs-mode": "mode",
    "image-subpath": "subpath",
}  # fmt: skip
_WORDS = {
    "type": _TYPES, "bind-propagation": _PROPAGATIONS, "bind-recursive": _RECURSIVE, "consistency": _CONSISTENCY,
}  # fmt: skip
_SWITCHES = {"readonly", "ro", "bind-nonrecursive", "bind-create-src", "volume-nocopy"}
_PAIRS = {"volume-opt", "volume-label"}
"""Keys that may come more than once, each time with NAME=VALUE."""


def parse_mount(value: object) -> object:
    """Return the long form of `SOURCE:TARGET[:OPTION,...]`, or of TARGET alone, for a volume without a name.

    A source that is a path is a directory of the host.
    """
    if not isinstance(value, str):
        return value
    parts = value.split(":")
    if len(parts) == 1 and value.startswith("/"):
        return {"type": "volume", "target": value}
    if len(parts) not in (2, 3) or not parts[0] or not parts[1]:
        raise ValueError(f"{value!r} is not a mount: write SOURCE:TARGET or SOURCE:TARGET:ro")
    source, target = parts[0], parts[1]
    bind = source.startswith("/")
    fields: dict[str, object] = {"type": "bind" if bind else "volume", "source": source, "target": target}
    fields["readOnly"] = False
    fields["createHostPath"] = bind
    seen: dict[str, str] = {}
    for option in parts[2].split(",") if len(parts) == 3 else []:
        name, setting = _read_volume_option(value, option, bind=bind)
        if seen.setdefault(name, option) != option:
            raise ValueError(f"{value!r} says both {seen[name]} and {option}: remove one of the two")
        fields |= {name: setting} if setting is not None else {}
    return fields


def _read_volume_option(value: str, option: str, *, bind: bool) -> tuple[str, object]:
    """Return the field that an option of -v sets and its value; None for one that needs no setting here."""
    if option in ("ro", "rw"):
        return "readOnly", option == "ro"
    if option in _CONSISTENCY:
        return "consistency", None
    if option in ("z", "Z"):  # labels of volumes are hold's own affair
        name, setting = _OPTION_FIELDS[option]
        return name, setting if bind else None
    if option == "nocopy":
        if bind:
            raise ValueError(f"{value!r}: nocopy is for volumes, not for directories of the host")
        return _OPTION_FIELDS[option]
    if option in _PROPAGATIONS:
        if not bind:
            raise ValueError(
                f"{value!r}: propagation {option!r} is for directories of the host, not for volumes"
            )
        return "propagation", option
    known = "ro, rw, z, Z, nocopy (volumes), shared, slave, private, rshared, rslave, rprivate (directories)"
    near = suggest(option, ("ro", "rw", "nocopy", *_PROPAGATIONS))
    raise ValueError(f"{value!r}: {option!r} is not a mount option{near}: use {known}")


def parse_long_mount(text: str) -> dict[str, object]:
    """Return the fields of `type=bind,source=...,target=...`; values may be quoted as in CSV."""
    fields: dict[str, object] = {"type": "volume"}
    seen: dict[str, str] = {}
    for part in _split(text):
        key, equals, value = part.partition("=")
        key = key.strip().lower()
        if key not in _KEYS:
            raise ValueError(
                f"{key!r} is not a key of a mount{suggest(key, _KEYS)}: known are {', '.join(_KEYS)}"
            )
        if not equals and key not in _SWITCHES:
            raise ValueError(f"{key} of a mount needs a value: {key}=VALUE")
        field = _KEYS[key]
        if key in _PAIRS:
            _add_pair(fields, key, value)
        elif field and field in seen:
            raise ValueError(
                f"{text!r} says {seen[field]} and {key}, which are the same: remove one of the two"
            )
        seen[field] = key
        fields |= _read_key(key, field, value) if key not in _PAIRS else {}
    _check_long_mount(text, fields, seen)
    return fields


def _split(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise ValueError(f"{text!r} is not a line of KEY=VALUE,...: {error}") from error


def _add_pair(fields: dict[str, object], key: str, value: str) -> None:
    name, equals, text = value.partition("=")
    if not name or not equals:
        raise ValueError(f"{key}={value}: write {key}=NAME=VALUE")
    pairs = fields.setdefault(_KEYS[key], {})
    if isinstance(pairs, dict):
        pairs[name] = text


def suggest(word: str, known: Iterable[str]) -> str:
    """Return the nearest of the known words as a question, or nothing."""
    import difflib  # noqa: PLC0415 - takes longer to load than most commands to run

    near = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _read_key(key: str, field: str, value: str) -> dict[str, object]:
    if key in _SWITCHES:
        switch = _read_switch(key, value)
        if key == "bind-nonrecursive":
            return {field: "disabled"} if switch else {}
        return {field: switch}
    if key in _WORDS and value not in _WORDS[key]:
        near = suggest(value, _WORDS[key])
        raise ValueError(f"{key}={value}: {value!r} is not one of {', '.join(_WORDS[key])}{near}")
    if not field:
        return {}
    read = {"tmpfs-size": _read_size, "tmpfs-mode": _read_mode}.get(key)
    return {field: read(key, value) if read is not None else value}


def _read_switch(key: str, value: str) -> bool:
    if value.lower() not in (*_TRUE, *_FALSE):
        raise ValueError(f"{key}={value}: {value!r} is neither true nor false")
    return value.lower() in _TRUE


def _read_size(key: str, value: str) -> int:
    try:
        return int(str(parse_size_bytes(value)))
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _read_mode(key: str, value: str) -> int:
    if not re.fullmatch(r"0?[0-7]{1,4}", value):
        raise ValueError(f"{key}={value}: {value!r} is not an octal number such as 1777")
    return int(value, 8)


def _check_long_mount(text: str, fields: dict[str, object], seen: dict[str, str]) -> None:
    kind = str(fields["type"])
    if "target" not in fields or not fields["target"]:
        raise ValueError(f"{text!r} has no target")
    if kind == "bind" and not fields.get("source"):
        raise ValueError(f"{text!r} has no source: a bind mount needs a directory of the host")
    if kind == "image" and not fields.get("source"):
        raise ValueError(f"{text!r} has no source: name the image")
    if kind == "tmpfs" and fields.get("source"):
        raise ValueError(f"{text!r}: a tmpfs has no source")
    if kind == "volume" and str(fields.get("source", "")).startswith(("/", ".")):
        raise ValueError(f"{text!r}: a volume has a name, not a path: write type=bind for a directory")
    for key in seen.values():
        owner = next((name for name in _TYPES if key.startswith(f"{name}-")), kind)
        if owner != kind:
            raise ValueError(f"{text!r}: {key} is for a mount of type {owner}, not {kind}")


def parse_tmpfs(text: str) -> dict[str, object]:
    """Return the fields of `TARGET[:OPTION,...]`, options as mount(8) has them."""
    target, _, rest = text.partition(":")
    if not target.startswith("/"):
        raise ValueError(f"{text!r} has no target: begin with an absolute path of the container")
    fields: dict[str, object] = {"type": "tmpfs", "target": target}
    options: list[str] = []
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key == "size" and value:
            fields["size"] = _read_size(key, value)
        elif key == "mode" and value:
            fields["mode"] = _read_mode(key, value)
        elif part in ("ro", "rw"):
            fields["readOnly"] = part == "ro"
        elif part not in ("rprivate", "private", "defaults"):
            options.append(check_tmpfs_option(part))
    return fields | ({"options": options} if options else {})


def check_tmpfs_option(text: str) -> str:
    """Return an option of tmpfs(5) as it is; ValueError for another."""
    if text not in _TMPFS_WORDS and not _TMPFS_VALUES.fullmatch(text):
        raise ValueError(
            f"{text!r} is not an option of a tmpfs: use size=, mode=, ro, rw, uid=, gid=, nr_inodes=, nr_blocks=, "
            f"{', '.join(sorted(_TMPFS_WORDS))}"
        )
    return text
