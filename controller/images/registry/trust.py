"""Whom to believe: certificates by host, laid out as Docker has them.

In each directory (such as /etc/docker/certs.d), `HOST[:PORT]/*.crt` are certificates to trust besides the host's own;
`NAME.cert` with `NAME.key` says who we are. https://docs.docker.com/engine/security/certificates/
"""

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from pathlib import Path

from controller.errors import Invalid
from controller.images.registry.endpoints import Registries, is_insecure

Stamp = frozenset[tuple[str, int, int]]
"""Files by path, time of change, size: as long as it is the same, what was read of them holds."""


class Trust:
    """TLS contexts by host, made when they are first needed, and again when their files have changed."""

    def __init__(self, *, directories: Iterable[str], registries: Registries) -> None:
        self._directories = tuple(map(Path, directories))
        self._registries = registries
        self._contexts: dict[tuple[str, str, bool], tuple[Stamp, ssl.SSLContext]] = {}

    def is_verified(self, host: str) -> bool:
        """Tell whether somebody has to vouch for `HOST[:PORT]`."""
        return not is_insecure(host, self._registries)

    async def find_context(self, host: str, *, registry: str, verified: bool) -> ssl.SSLContext:
        """Return the context for `HOST[:PORT]`, which answers for `registry`.

        Invalid when a certificate in its directory can't be used.
        """
        return await asyncio.to_thread(self._find_context, host, registry=registry, verified=verified)

    def _find_context(self, host: str, *, registry: str, verified: bool) -> ssl.SSLContext:
        authority_path, directories = self._list_places(host, registry)
        stamp = _read_stamp(authority_path, directories)
        known = self._contexts.get((host, registry, verified))
        if known is not None and known[0] == stamp:
            return known[1]
        if verified:
            context = ssl.create_default_context()
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if authority_path is not None:
            _load_authority(context, authority_path)
        for directory in directories:
            _load_directory(context, directory)
        self._contexts[host, registry, verified] = (stamp, context)
        return context

    def _list_places(self, host: str, registry: str) -> tuple[Path | None, list[Path]]:
        """Return the authority's certificate that the settings name, and the directories that there may be."""
        settings = self._registries.get(registry)
        authority = settings.ca if settings is not None else None
        names = dict.fromkeys((registry, host))
        directories = [directory / name for directory in self._directories for name in names]
        return Path(authority) if authority is not None else None, directories


def _read_stamp(authority_path: Path | None, directories: list[Path]) -> Stamp:
    """Return the state of all files that a context is made of, this machine's own authorities included."""
    own = ssl.get_default_verify_paths()
    paths = [Path(place) for place in filter(None, (own.cafile, own.capath))]
    paths += [authority_path] if authority_path is not None else []
    for directory in directories:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            paths += directory.iterdir()
    stamp = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            stamp.add((str(path), status.st_mtime_ns, status.st_size))
    return frozenset(stamp)


def _load_directory(context: ssl.SSLContext, path: Path) -> None:
    if not path.is_dir():
        return
    for each in sorted(path.iterdir()):
        if each.suffix == ".crt":
            _load_authority(context, each)
        elif each.suffix == ".cert":
            key_path = each.with_suffix(".key")
            if not key_path.is_file():
                raise Invalid(f"{each} has no key beside it: put it at {key_path}")
            try:
                context.load_cert_chain(each, key_path)
            except (OSError, ssl.SSLError) as error:
                raise Invalid(f"{each} and its key can't be used: {error}") from error


def _load_authority(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise Invalid(f"{path} can't be used as a certificate to trust: {error}") from error
