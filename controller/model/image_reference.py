"""References to images in registries, with the grammar and the defaults that Docker users know.

`alpine` is short for `docker.io/library/alpine:latest`. The grammar is that of the distribution project
(https://github.com/distribution/reference). Needs no pydantic, so that the command line can read its words quickly.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
_OFFICIAL = "library"
_OLD_DEFAULT_REGISTRY = "index.docker.io"
_MOST_NAME_LENGTH = 255

_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])"
_REGISTRY = re.compile(rf"{_HOST}(?::[0-9]{{1,5}})?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")
_ALGORITHM = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*")
_HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """Where an image is to be found: `registry` with a port if it has one, `repository`, and what of it.

    Without tag and digest the whole repository is meant. With both, the digest decides.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def selector(self) -> str:
        """What a registry is asked for: the digest if there is one, otherwise the tag, `latest` by default."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def familiar_name(self) -> str:
        """The repository as people write it, without the default registry and without `library/`."""
        if self.registry != DEFAULT_REGISTRY:
            return f"{self.registry}/{self.repository}"
        first, slash, rest = self.repository.partition("/")
        if first == _OFFICIAL and "/" not in rest and rest:
            return rest
        return str(self).removesuffix(self._suffix) if slash and _is_host(first) else self.repository

    @property
    def familiar(self) -> str:
        """The whole reference as people write it."""
        return self.familiar_name + self._suffix

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}{self._suffix}"

    def complete(self) -> Self:
        """Return the reference with the tag `latest` where it has neither tag nor digest."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def at(self, digest: str) -> Self:
        """Return the reference to `digest` in the same repository."""
        return replace(self, tag="", digest=digest)

    def tagged(self, tag: str) -> Self:
        """Return the reference to `tag` in the same repository."""
        return replace(self, tag=tag, digest="")


def parse_reference(text: str) -> ImageReference:
    """Return what `[REGISTRY[:PORT]/]NAME[/NAME...][:TAG][@DIGEST]` names; ValueError says what is wrong with it."""
    if not text:
        raise ValueError("a reference to an image is empty: write NAME[:TAG]")
    if "://" in text:
        raise ValueError(
            f"{text!r} is an address, not a reference to an image: leave out {text.partition('://')[0]}://"
        )
    if _IMAGE_ID.fullmatch(text):
        raise ValueError(f"{text!r} is an image's id, which no registry can be asked for: write NAME[:TAG]")
    rest, at, digest = text.partition("@")
    if at:
        _check_digest(digest, text)
    name, tag = _split_tag(rest, text)
    registry, repository = _split_registry(name)
    _check_repository(repository, text)
    if len(f"{registry}/{repository}") > _MOST_NAME_LENGTH:
        raise ValueError(f"{text[:32]!r}... is longer than {_MOST_NAME_LENGTH} characters")
    return ImageReference(registry=registry, repository=repository, tag=tag, digest=digest)


def parse_registry(text: str) -> str:
    """Return the registry that `text` names, as references have it; ValueError when it is no HOST[:PORT]."""
    host = text.strip()
    for prefix in ("https://", "http://"):
        host = host.removeprefix(prefix)
    host = host.partition("/")[0]
    if host in ("", _OLD_DEFAULT_REGISTRY):
        return DEFAULT_REGISTRY
    if not _REGISTRY.fullmatch(host):
        raise ValueError(f"{text!r} is not a registry: write HOST or HOST:PORT")
    return host


def check_digest(text: str) -> str:
    """Return `text` if it is a digest such as sha256:0123...; ValueError otherwise."""
    _check_digest(text, text)
    return text


def _split_tag(text: str, whole: str) -> tuple[str, str]:
    """Return name and tag; a colon before a slash belongs to a port."""
    head, slash, last = text.rpartition("/")
    name, colon, tag = last.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise ValueError(
            f"{whole!r}: {tag!r} is not a tag: use 1 to 128 of a-z A-Z 0-9 _ . - and begin with none of . -"
        )
    return head + slash + name, tag


def _split_registry(name: str) -> tuple[str, str]:
    """Return registry and repository: the first part is a registry when it looks like a host."""
    first, slash, rest = name.partition("/")
    if not slash or not _is_host(first):
        registry, repository = DEFAULT_REGISTRY, name
    elif _REGISTRY.fullmatch(first):
        registry, repository = first, rest
    else:
        raise ValueError(f"{name!r}: {first!r} is not a registry: write HOST or HOST:PORT")
    if registry == _OLD_DEFAULT_REGISTRY:
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"{_OFFICIAL}/{repository}"
    return registry, repository


def _is_host(first: str) -> bool:
    """Tell whether the first part of a name is taken for a registry."""
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _check_repository(repository: str, whole: str) -> None:
    for component in repository.split("/"):
        if _COMPONENT.fullmatch(component):
            continue
        if not component:
            raise ValueError(f"{whole!r} has an empty part in its name")
        hint = (
            "use lower-case letters"
            if component != component.lower()
            else "use a-z 0-9, and . _ - between them"
        )
        raise ValueError(f"{whole!r}: {component!r} can't be part of an image's name: {hint}")


def _check_digest(digest: str, whole: str) -> None:
    algorithm, _, encoded = digest.partition(":")
    length = _HEX_LENGTHS.get(algorithm)
    if length is None:
        known = ", ".join(_HEX_LENGTHS)
        what = (
            f"{algorithm!r} is not a digest's algorithm"
            if _ALGORITHM.fullmatch(algorithm)
            else f"{digest!r} is not a digest"
        )
        raise ValueError(f"{whole!r}: {what}: known are {known}")
    if len(encoded) != length or not re.fullmatch(r"[0-9a-f]+", encoded):
        raise ValueError(f"{whole!r}: after {algorithm}: come {length} hex digits")
