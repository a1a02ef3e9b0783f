"""A directory of manifests that is kept applied.

Files right in the directory are the source `.`; each sub-directory is a source of its own. A source is applied whole:
what it no longer declares is deleted. Whatever is broken, missing or half-written deletes nothing: the last good state
stays, and the reason is told. What is believed to be gone, and when, is written down at `_may_be_gone`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from watchfiles import awatch

from controller.errors import HoldError, Invalid
from controller.manifests.load import LoadedResource, load_documents, read_text
from controller.manifests.scan import ROOT_SOURCE, Identity, Look, identify, scan_sources
from controller.ports import Clock, SourceStatus

MANAGER_PREFIX = "manifests:"
_QUIET_S = 0.05
_LOOK_AGAIN_MS = 1000
_DEBOUNCE_MS = 20
_STEP_MS = 5
_MISSING_RETRY_S = 0.5
_KEPT = (
    "as one that is not mounted: nothing is deleted; put its files back, or delete its objects with --force"
)


class SourceApplier(Protocol):
    """Where sources are applied to; the daemon joins it with the store."""

    def count_objects(self) -> Mapping[str, int]:
        """Return, by manager, how many objects there are that are not being deleted."""
        ...

    async def apply(self, manager: str, loaded: Sequence[LoadedResource]) -> None:
        """Make the objects of `manager` exactly those; HoldError when nothing was changed."""
        ...

    async def report(self, source: str, message: str) -> None:
        """Tell that a source can't be applied, or (empty message) that it can be again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What is known of a source: what it looked like when last tried (None: try again), and how that went."""

    status: SourceStatus
    tried: Look | None = None


class ManifestDirectory:
    """Implements `controller.ports.Sources` for one watched directory."""

    def __init__(self, *, directory_path: Path, applier: SourceApplier, clock: Clock) -> None:
        self._directory_path = directory_path
        self._applier = applier
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._settled: dict[str, Look] = {}
        self._filled: dict[str, Identity] = {}

    def sources(self) -> tuple[SourceStatus, ...]:
        """See Sources."""
        return tuple(self._seen[name].status for name in sorted(self._seen))

    async def run(self) -> None:
        """Apply and watch until cancelled."""
        while True:
            try:
                await self._synchronise()
                async for _ in self._changes():
                    await self._synchronise()
            except OSError as error:
                reason = f"the directory can't be read ({(error.strerror or str(error)).lower()}): nothing is deleted"
                await self._tell_all(reason)
            await asyncio.sleep(_MISSING_RETRY_S)

    async def _changes(self) -> AsyncIterator[None]:
        """Yield at every change, and now and then; ends when nothing can be watched any more, or something else should."""
        identity = identify(self._directory_path)
        changes = awatch(
            self._directory_path,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            rust_timeout=_LOOK_AGAIN_MS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )
        async with contextlib.aclosing(changes):
            while identify(self._directory_path) == identity:
                try:
                    await anext(changes)
                except (OSError, RuntimeError, StopAsyncIteration):
                    return  # no more watches are to be had, for one: looking now and then is slower and as good
                yield

    async def _synchronise(self) -> None:
        looks = await self._read_settled()
        for name, look in looks.items():
            if look.fingerprint:
                self._filled[name] = look.identity
        if looks == self._settled and all(seen.tried is not None for seen in self._seen.values()):
            return
        root = looks[ROOT_SOURCE].identity
        if any(look.fingerprint for look in looks.values()):
            self._filled[ROOT_SOURCE] = root
        declared = self._count_declared()
        for name in sorted(looks.keys() | declared.keys()):
            await self._apply_source(name, looks.get(name), root, declared.get(name, 0))
        for name in [name for name in self._seen if name not in looks and not self._seen[name].status.error]:
            del self._seen[name]
        self._settled = looks

    async def _read_settled(self) -> dict[str, Look]:
        """Return all sources once two looks, a moment apart, have found the same."""
        before = await asyncio.to_thread(scan_sources, self._directory_path)
        while before != self._settled:
            await asyncio.sleep(_QUIET_S)
            after = await asyncio.to_thread(scan_sources, self._directory_path)
            if after == before:
                break
            before = after
        return before

    def _count_declared(self) -> dict[str, int]:
        """Return how many objects there are of each source."""
        return {
            manager.removeprefix(MANAGER_PREFIX): count
            for manager, count in self._applier.count_objects().items()
            if manager.startswith(MANAGER_PREFIX)
        }

    def _may_be_gone(self, name: str, look: Look | None, root: Identity) -> bool:
        """Tell whether a source without manifests has none, and is not just out of sight.

        A directory is believed to be empty when this daemon has seen it, the very same one, with manifests in it. One
        that was empty from the start, or has become another one, may be a mount point before its mount. A sub-directory
        that is not there is gone when the watched directory can be believed.
        """
        if look is None or name == ROOT_SOURCE:
            return self._filled.get(ROOT_SOURCE) == root
        return self._filled.get(name) == look.identity

    async def _apply_source(self, name: str, look: Look | None, root: Identity, declared: int) -> None:
        earlier = self._seen.get(name)
        if earlier is not None and earlier.tried is not None and earlier.tried == look:
            return
        status = self._read_status(name, declared)
        if look is not None and look.problem:
            await self._record(status, f"{look.problem}: nothing is changed", tried=look)
        elif declared and not (look and look.fingerprint) and not self._may_be_gone(name, look, root):
            where = status.path if look is not None else self._directory_path
            await self._record(status, f"{where} has no manifests, {_KEPT}", tried=None)
        else:
            await self._apply(status, look)

    async def _apply(self, status: SourceStatus, look: Look | None) -> None:
        paths = [Path(each[0]) for each in look.fingerprint] if look else []
        try:
            loaded = await asyncio.to_thread(_load_files, paths)
            await self._applier.apply(MANAGER_PREFIX + status.name, loaded)
        except HoldError as error:
            # Unless the files are at fault, the rest of the world may change, so it is tried again.
            await self._record(status, error.message, tried=look if isinstance(error, Invalid) else None)
            return
        after = replace(status, objects=len(loaded), applied_at=self._clock.now())
        await self._record(after, "", tried=look)

    async def _record(self, status: SourceStatus, error: str, *, tried: Look | None) -> None:
        self._seen[status.name] = _Seen(status=replace(status, error=error), tried=tried)
        if status.error != error:
            await self._applier.report(status.name, error)

    async def _tell_all(self, reason: str) -> None:
        declared = self._count_declared()
        self._settled = {}
        for name in sorted({*self._seen, *declared, ROOT_SOURCE}):
            await self._record(self._read_status(name, declared.get(name, 0)), reason, tried=None)

    def _read_status(self, name: str, declared: int) -> SourceStatus:
        if name in self._seen:
            return self._seen[name].status
        path = self._directory_path if name == ROOT_SOURCE else self._directory_path / name
        return SourceStatus(name=name, path=str(path), error="", objects=declared, applied_at=None)


class NoSources:
    """Implements `controller.ports.Sources` for a daemon that watches no directory."""

    def sources(self) -> tuple[SourceStatus, ...]:
        """See Sources."""
        return ()


def _load_files(paths: Sequence[Path]) -> list[LoadedResource]:
    """Return the resources of all files; the first file that can't be used is named in the error."""
    loaded: list[LoadedResource] = []
    for path in paths:
        text = read_text(path)
        if not text.strip():
            raise Invalid(
                f"{path}: is empty, as one that is still being written: remove it if it declares nothing"
            )
        loaded.extend(load_documents(text, source=str(path)))
    first: dict[object, LoadedResource] = {}
    for each in loaded:
        earlier = first.setdefault(each.key, each)
        if earlier is not each:
            raise Invalid(
                f"{each.source}:{each.line}: {each.key} is declared in {earlier.source}:{earlier.line} too: keep one of the two"
            )
    return loaded
