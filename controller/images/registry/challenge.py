"""What a server asks for in `WWW-Authenticate` (RFC 9110, section 11; Docker's token specification)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_SCHEME = re.compile(r"\s*,?\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?=\s|,|$)")
_PARAMETER = re.compile(r"\s*,?\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]+))")
_MOST_BYTES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One way to prove who one is. `scheme` is in lower case, names of parameters too."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges of all `WWW-Authenticate` headers in order; what can't be read is left out."""
    found: list[Challenge] = []
    for header in headers:
        found.extend(_parse_header(header[:_MOST_BYTES]))
    return tuple(found)


def _parse_header(header: str) -> Iterable[Challenge]:
    place = 0
    while place < len(header):
        scheme = _SCHEME.match(header, place)
        if scheme is None:
            return
        place = scheme.end()
        parameters: dict[str, str] = {}
        while (parameter := _PARAMETER.match(header, place)) is not None:
            name, quoted, bare = parameter.groups()
            parameters[name.lower()] = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            place = parameter.end()
        yield Challenge(scheme=scheme[1].lower(), parameters=parameters)


def choose_challenge(challenges: Iterable[Challenge]) -> Challenge | None:
    """Return the challenge to answer: a token service before a password at every request."""
    by_scheme = {each.scheme: each for each in reversed(tuple(challenges))}
    bearer = by_scheme.get("bearer")
    if bearer is not None and bearer.parameters.get("realm"):
        return bearer
    return by_scheme.get("basic")
