"""A directory of manifests that is kept applied.

Files right in the directory are the source `.`; each sub-directory is a source of its own. A source is applied whole:
what it no longer declares is deleted, but only when every file of it can be read and has stopped changing. Whatever is
broken, missing or half-written deletes nothing: the last good state stays, and the reason is told.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from watchfiles import awatch

from controller.errors import HoldError, Invalid
from controller.manifests.load import LoadedResource, is_manifest, list_manifests, load_documents, read_text
from controller.ports import Clock, SourceStatus

MANAGER_PREFIX = "manifests:"
ROOT_SOURCE = "."
_QUIET_S = 0.05
_LOOK_AGAIN_MS = 1000
_DEBOUNCE_MS = 20
_STEP_MS = 5
_MISSING_RETRY_S = 0.5

Fingerprint = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and time of change of every file of a source."""


class SourceApplier(Protocol):
    """Where sources are applied to; the daemon joins it with the store."""

    def list_managers(self) -> frozenset[str]:
        """Return the managers of all objects that there are."""
        ...

    async def apply(self, manager: str, loaded: Sequence[LoadedResource]) -> None:
        """Make the objects of `manager` exactly those; HoldError when nothing was changed."""
        ...

    async def report(self, source: str, message: str) -> None:
        """Tell that a source can't be applied, or (empty message) that it can be again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is known of a source: the files last tried, and how that went."""

    status: SourceStatus
    fingerprint: Fingerprint | None = None


class ManifestDirectory:
    """Implements `controller.ports.Sources` for one watched directory."""

    def __init__(self, *, directory_path: Path, applier: SourceApplier, clock: Clock) -> None:
        self._directory_path = directory_path
        self._applier = applier
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._identity: tuple[int, int] | None = None

    def sources(self) -> tuple[SourceStatus, ...]:
        """See Sources."""
        return tuple(self._seen[name].status for name in sorted(self._seen))

    async def run(self) -> None:
        """Apply and watch until cancelled."""
        while True:
            try:
                async for _ in self._changes():
                    await self._synchronise()
            except OSError as error:
                reason = f"the directory can't be read ({(error.strerror or str(error)).lower()}): nothing is deleted"
                await self._tell_all(reason)
            await asyncio.sleep(_MISSING_RETRY_S)

    async def _changes(self) -> AsyncIterator[None]:
        """Yield at once, at every change, and now and then; ends when the directory is another one than before."""
        identity = _identify(self._directory_path)
        yield
        changes = awatch(
            self._directory_path,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_LOOK_AGAIN_MS,
            yield_on_timeout=True,
        )
        async for _ in changes:
            if _identify(self._directory_path) != identity:
                return
            yield

    async def _synchronise(self) -> None:
        found = await self._read_settled()
        identity = _identify(self._directory_path)
        if self._identity not in (None, identity) and not any(found.values()):
            await self._tell_all("the directory was replaced by an empty one: nothing is deleted")
            return
        self._identity = identity
        for name in sorted(found.keys() | self._list_known()):
            await self._apply_source(name, found.get(name, ()))
        for name in [name for name in self._seen if name not in found and name != ROOT_SOURCE]:
            if not self._seen[name].status.error:
                del self._seen[name]

    async def _read_settled(self) -> dict[str, Fingerprint]:
        """Return all sources once two looks, a moment apart, have found the same."""
        before = await asyncio.to_thread(self._fingerprint)
        if before == {name: seen.fingerprint for name, seen in self._seen.items()}:
            return before
        while True:
            await asyncio.sleep(_QUIET_S)
            after = await asyncio.to_thread(self._fingerprint)
            if after == before:
                return after
            before = after

    def _fingerprint(self) -> dict[str, Fingerprint]:
        found: dict[str, Fingerprint] = {ROOT_SOURCE: _fingerprint_files(self._list_own_files())}
        for path in sorted(self._directory_path.iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                found[path.name] = _fingerprint_files(list_manifests(path))
        return found

    def _list_own_files(self) -> Iterator[Path]:
        for path in sorted(self._directory_path.iterdir()):
            if is_manifest(path) and path.is_file():
                yield path

    def _list_known(self) -> set[str]:
        managers = self._applier.list_managers()
        return {name.removeprefix(MANAGER_PREFIX) for name in managers if name.startswith(MANAGER_PREFIX)}

    async def _apply_source(self, name: str, fingerprint: Fingerprint) -> None:
        earlier = self._seen.get(name)
        if earlier is not None and earlier.fingerprint == fingerprint:
            return
        status = self._read_status(name)
        tried: Fingerprint | None = fingerprint
        try:
            loaded = await asyncio.to_thread(_load_files, [Path(each[0]) for each in fingerprint])
            await self._applier.apply(MANAGER_PREFIX + name, loaded)
            after = replace(status, error="", objects=len(loaded), applied_at=self._clock.now())
        except HoldError as error:
            after = replace(status, error=error.message)
            if not isinstance(error, Invalid):
                tried = None  # the rest of the world may change, so it is tried again
        self._seen[name] = _Seen(status=after, fingerprint=tried)
        if after.error != status.error:
            await self._applier.report(name, after.error)

    async def _tell_all(self, reason: str) -> None:
        for name in list(self._seen) or [ROOT_SOURCE]:
            status = self._read_status(name)
            self._seen[name] = _Seen(status=replace(status, error=reason))
            if status.error != reason:
                await self._applier.report(name, reason)

    def _read_status(self, name: str) -> SourceStatus:
        if name in self._seen:
            return self._seen[name].status
        path = self._directory_path if name == ROOT_SOURCE else self._directory_path / name
        return SourceStatus(name=name, path=str(path), error="", objects=0, applied_at=None)


class NoSources:
    """Implements `controller.ports.Sources` for a daemon that watches no directory."""

    def sources(self) -> tuple[SourceStatus, ...]:
        """See Sources."""
        return ()


def _identify(path: Path) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116 - raises for a missing directory, which is what is asked
    return (status.st_dev, status.st_ino)


def _fingerprint_files(paths: "Iterator[Path] | list[Path]") -> Fingerprint:
    found = []
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found.append((str(path), status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _load_files(paths: Sequence[Path]) -> list[LoadedResource]:
    """Return the resources of all files; the first file that can't be used is named in the error."""
    loaded: list[LoadedResource] = []
    for path in paths:
        loaded.extend(load_documents(read_text(path), source=str(path)))
    first: dict[object, LoadedResource] = {}
    for each in loaded:
        earlier = first.setdefault(each.key, each)
        if earlier is not each:
            raise Invalid(
                f"{each.source}:{each.line}: {each.key} is declared in {earlier.source}:{earlier.line} too: keep one of the two"
            )
    return loaded
