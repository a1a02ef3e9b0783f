"""Whom to believe: certificates by host, laid out as Docker has them.

In each directory (such as /etc/docker/certs.d), `HOST[:PORT]/*.crt` are certificates to trust besides the host's own;
`NAME.cert` with `NAME.key` says who we are. https://docs.docker.com/engine/security/certificates/
"""

import asyncio
import ssl
from collections.abc import Iterable
from pathlib import Path

from controller.errors import Invalid
from controller.images.registry.endpoints import Registries, is_insecure


class Trust:
    """TLS contexts by host, made when they are first needed."""

    def __init__(self, *, directories: Iterable[str], registries: Registries) -> None:
        self._directories = tuple(map(Path, directories))
        self._registries = registries
        self._contexts: dict[tuple[str, bool], ssl.SSLContext] = {}

    def is_verified(self, host: str) -> bool:
        """Tell whether somebody has to vouch for `HOST[:PORT]`."""
        return not is_insecure(host, self._registries)

    async def find_context(self, host: str, *, registry: str, verified: bool) -> ssl.SSLContext:
        """Return the context for `HOST[:PORT]`, which answers for `registry`.

        Invalid when a certificate in its directory can't be used.
        """
        key = (host, verified)
        if key not in self._contexts:
            self._contexts[key] = await asyncio.to_thread(
                self._make_context, host, registry=registry, verified=verified
            )
        return self._contexts[key]

    def _make_context(self, host: str, *, registry: str, verified: bool) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        settings = self._registries.get(registry)
        if settings is not None and settings.ca is not None:
            _load_authority(context, Path(settings.ca))
        for directory in self._directories:
            for name in dict.fromkeys((registry, host)):
                _load_directory(context, directory / name)
        return context


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
