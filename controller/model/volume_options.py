"""What the driver `local` is told about a volume: the arguments of a mount, as Docker names them.

Needs no pydantic, so that the command line can read its flags quickly. ValueError says what is wrong, and what is known.
"""

import difflib
from collections.abc import Iterable, Mapping

LOCAL_OPTIONS = ("type", "o", "device")
NFS_TYPES = ("nfs", "nfs4")
_NFS_VERSIONS = ("2", "3", "4", "4.0", "4.1", "4.2")
_WORDS_OF_BIND = ("bind", "rbind")


def check_local_options(options: Mapping[str, str]) -> None:
    """Refuse options that no mount can be made of."""
    for name in options:
        if name == "size":
            raise ValueError(
                "size needs quotas of the file system: use type=tmpfs with o=size=..., or a disk image"
            )
        if name not in LOCAL_OPTIONS:
            raise ValueError(
                f"{name!r} is not an option of driver local{_suggest(name)}: use type, o, device"
            )
    if not options:
        return
    for name in ("type", "device"):
        if not options.get(name):
            raise ValueError(f"{name} is missing: a volume that is mounted needs both type and device")
    parts = split_options(options.get("o", ""))
    if options["type"] in NFS_TYPES:
        _check_nfs(options["device"], parts)
    else:
        _check_bind(options["type"], options["device"], parts)


def split_options(text: str) -> tuple[str, ...]:
    """Return the options of `o`, which commas separate."""
    return tuple(part for part in text.split(",") if part)


def find_nfs_server(device: str, options: Iterable[str]) -> str:
    """Return the server that an nfs mount names by `addr=`, or before the colon of its device; empty when by neither."""
    named = [part.removeprefix("addr=") for part in options if part.startswith("addr=")]
    return named[-1] if named else device.partition(":/")[0].strip("[]")


def _check_bind(kind: str, device: str, parts: tuple[str, ...]) -> None:
    is_bind = any(word in parts for word in _WORDS_OF_BIND)
    if is_bind and not device.startswith("/"):
        raise ValueError(f"device {device!r} of a bind has to be an absolute path of the host")
    if kind == "none" and not is_bind:
        raise ValueError("type none mounts a directory of the host, and needs o=bind or o=rbind")


def _check_nfs(device: str, parts: tuple[str, ...]) -> None:
    if ":/" not in device:
        raise ValueError(f"device {device!r} of nfs has to be :/PATH or SERVER:/PATH")
    if not find_nfs_server(device, parts):
        raise ValueError(f"o names no server: add addr=SERVER, or write SERVER{device} as device")
    for part in parts:
        key, _, value = part.partition("=")
        if key in ("vers", "nfsvers") and value not in _NFS_VERSIONS:
            raise ValueError(f"{part!r} in o is no version of nfs: use {', '.join(_NFS_VERSIONS)}")


def _suggest(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), LOCAL_OPTIONS, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
