"""Docker's forms of mounts (`-v`, `--mount`, `--tmpfs`), read into the long one.

Needs no pydantic, so that the command line can read its flags quickly. ValueError says what is wrong with a text.
"""

import csv
import re

from controller.model.quantities import parse_size_bytes

_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_RECURSIVE = ("enabled", "disabled", "writable", "readonly")
_TYPES = ("volume", "bind", "tmpfs")
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
    "volume-nocopy": "nocopy", "volume-subpath": "subpath", "tmpfs-size": "size", "tmpfs-mode": "mode",
}  # fmt: skip
_WORDS = {"type": _TYPES, "bind-propagation": _PROPAGATIONS, "bind-recursive": _RECURSIVE}
_SWITCHES = {"readonly", "ro", "bind-nonrecursive", "bind-create-src", "volume-nocopy"}
_ELSEWHERE = {"volume-driver", "volume-opt", "volume-label"}


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
    for option in parts[2].split(",") if len(parts) == 3 else []:
        _add_volume_option(value, option, fields)
    return fields


def _add_volume_option(value: str, option: str, fields: dict[str, object]) -> None:
    bind = fields["type"] == "bind"
    if option in ("ro", "rw"):
        fields["readOnly"] = option == "ro"
    elif option in _CONSISTENCY:
        return
    elif option in ("z", "Z") or (option == "nocopy" and not bind):
        # Labels of volumes are hold's own affair.
        name, setting = _OPTION_FIELDS[option]
        fields |= {name: setting} if bind or option == "nocopy" else {}
    elif option in _PROPAGATIONS and bind:
        fields["propagation"] = option
    elif option in _PROPAGATIONS:
        raise ValueError(f"{value!r}: propagation {option!r} is for directories of the host, not for volumes")
    elif option == "nocopy":
        raise ValueError(f"{value!r}: nocopy is for volumes, not for directories of the host")
    else:
        known = (
            "ro, rw, z, Z, nocopy (volumes), shared, slave, private, rshared, rslave, rprivate (directories)"
        )
        raise ValueError(f"{value!r}: {option!r} is not a mount option: use {known}")


def parse_long_mount(text: str) -> dict[str, object]:
    """Return the fields of `type=bind,source=...,target=...`; values may be quoted as in CSV."""
    fields: dict[str, object] = {"type": "volume"}
    seen: dict[str, str] = {}
    for part in next(csv.reader([text]), []):
        key, equals, value = part.partition("=")
        key = key.strip().lower()
        if key in _ELSEWHERE:
            raise ValueError(f"{key} describes the volume itself: make it first with hold volume create")
        if key not in _KEYS:
            raise ValueError(f"{part!r} is not a key of a mount: known are {', '.join(_KEYS)}")
        if not equals and key not in _SWITCHES:
            raise ValueError(f"{key} of a mount needs a value: {key}=VALUE")
        field = _KEYS[key]
        if field and field in seen:
            raise ValueError(
                f"{text!r} says {seen[field]} and {key}, which are the same: remove one of the two"
            )
        seen[field] = key
        fields |= _read_key(key, field, value)
    _check_long_mount(text, fields, seen)
    return fields


def _read_key(key: str, field: str, value: str) -> dict[str, object]:
    if key in _SWITCHES:
        switch = _read_switch(key, value)
        if key == "bind-nonrecursive":
            return {field: "disabled"} if switch else {}
        return {field: switch}
    if not field:
        return {}
    if key in _WORDS and value not in _WORDS[key]:
        raise ValueError(f"{key}={value}: {value!r} is not one of {', '.join(_WORDS[key])}")
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
    if kind == "tmpfs" and fields.get("source"):
        raise ValueError(f"{text!r}: a tmpfs has no source")
    for key in seen.values():
        owner = next((name for name in _TYPES if key.startswith(f"{name}-")), kind)
        if owner != kind:
            raise ValueError(f"{text!r}: {key} is for a mount of type {owner}, not {kind}")


def parse_tmpfs(text: str) -> dict[str, object]:
    """Return the fields of `TARGET[:OPTION,...]`, options as mount(8) has them."""
    target, _, rest = text.partition(":")
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
