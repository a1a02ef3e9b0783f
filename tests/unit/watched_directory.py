"""A watched directory without a store: what is applied is kept by name."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from controller.errors import HoldError
from controller.manifests.load import LoadedResource
from controller.manifests.watch import ManifestDirectory

_DEADLINE_S = 20.0


class _Clock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


class RecordingApplier:
    """Keeps what is applied, as the store would."""

    def __init__(self) -> None:
        self.objects: dict[str, set[str]] = {}
        self.reports: list[tuple[str, str]] = []
        self.refusal: HoldError | None = None

    def count_objects(self) -> dict[str, int]:
        """See SourceApplier."""
        return {manager: len(names) for manager, names in self.objects.items() if names}

    async def apply(self, manager: str, loaded: Sequence[LoadedResource]) -> None:
        """See SourceApplier; raises `refusal` if there is one."""
        if self.refusal is not None:
            raise self.refusal
        self.objects[manager] = {each.key.name for each in loaded}

    async def report(self, source: str, message: str) -> None:
        """See SourceApplier."""
        self.reports.append((source, message))


def declare(path: Path, *names: str) -> None:
    """Write a manifest of volumes, all at once as a good editor does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft_path = path.with_name(f".{path.name}")
    draft_path.write_text("\n---\n".join(f"kind: Volume\nmetadata: {{name: {name}}}" for name in names))
    draft_path.replace(path)


async def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds."""
    async with asyncio.timeout(_DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)


@asynccontextmanager
async def watching(path: Path, applier: RecordingApplier) -> AsyncIterator[ManifestDirectory]:
    """Watch a directory for the length of the block."""
    directory = ManifestDirectory(directory_path=path, applier=applier, clock=_Clock())
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(directory.run())
        yield directory
        task.cancel()
