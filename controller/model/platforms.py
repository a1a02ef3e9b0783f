"""Platforms of images: `OS[/ARCHITECTURE[/VARIANT]]`, in the spelling of Go that images use.

Needs no pydantic, so that the command line can read its flags quickly.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_PART = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_SPELLINGS = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv8l": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv6l": ("arm", "v6"),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
}
_OPERATING_SYSTEMS = frozenset(
    {"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "wasip1", "js"}
)
_DEFAULT_VARIANTS = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
_ARM_VARIANTS = ("v8", "v7", "v6", "v5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What programs are for. `variant` is empty where it is the architecture's usual one."""

    os: str = "linux"
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


def parse_platform(text: str) -> Platform:
    """Return the platform of `linux/arm64/v8`, `linux/arm64` or `arm64`; ValueError says what is wrong."""
    parts = text.lower().split("/")
    if not 1 <= len(parts) <= 3 or not all(map(_PART.fullmatch, parts)):
        raise ValueError(f"{text!r} is not a platform: write OS/ARCHITECTURE[/VARIANT], such as linux/arm64")
    if parts[0] not in _OPERATING_SYSTEMS:
        parts = ["linux", *parts]
    if not 2 <= len(parts) <= 3:
        raise ValueError(f"{text!r} is not a platform: it lacks the architecture, such as linux/arm64")
    return make_platform(*parts)


def make_platform(os: str, architecture: str, variant: str = "") -> Platform:
    """Return the platform with the usual spelling, and without the variant where it is the usual one."""
    spelled, implied = _SPELLINGS.get(architecture, (architecture, ""))
    variant = variant or implied
    usual = "" if variant == _DEFAULT_VARIANTS.get(spelled) else variant
    return Platform(os=os, architecture=spelled, variant=usual)


def choose_platform(wanted: Platform, offered: Sequence[Platform]) -> int | None:
    """Return the index of the best of `offered` for `wanted`, None when none will do.

    The first of equals wins. An ARM processor runs what is for its variant and for older ones.
    """
    acceptable = _list_acceptable(wanted)
    ranked = [(acceptable.index(each), index) for index, each in enumerate(offered) if each in acceptable]
    return min(ranked)[1] if ranked else None


def _list_acceptable(wanted: Platform) -> list[Platform]:
    variants: Iterable[str] = (wanted.variant,)
    if wanted.architecture == "arm":
        variants = (
            _ARM_VARIANTS[_ARM_VARIANTS.index(wanted.variant or "v7") :] if _is_arm(wanted) else variants
        )
    return [make_platform(wanted.os, wanted.architecture, variant) for variant in variants]


def _is_arm(wanted: Platform) -> bool:
    return (wanted.variant or "v7") in _ARM_VARIANTS
