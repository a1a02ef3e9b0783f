"""A watched directory: every change is applied, and nothing broken ever deletes anything."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from controller.errors import HoldError, ManagedElsewhere
from controller.manifests.load import LoadedResource
from controller.manifests.watch import ManifestDirectory

_DEADLINE_S = 20.0


class _Clock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


class _Applier:
    """Keeps what is applied, as the store would."""

    def __init__(self) -> None:
        self.objects: dict[str, set[str]] = {}
        self.reports: list[tuple[str, str]] = []
        self.refusal: HoldError | None = None

    def list_managers(self) -> frozenset[str]:
        return frozenset(manager for manager, names in self.objects.items() if names)

    async def apply(self, manager: str, loaded: Sequence[LoadedResource]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.objects[manager] = {each.key.name for each in loaded}

    async def report(self, source: str, message: str) -> None:
        self.reports.append((source, message))


def _declare(path: Path, *names: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n---\n".join(f"kind: Volume\nmetadata: {{name: {name}}}" for name in names))


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0.01)


@asynccontextmanager
async def _watching(path: Path, applier: _Applier) -> AsyncIterator[ManifestDirectory]:
    directory = ManifestDirectory(directory_path=path, applier=applier, clock=_Clock())
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(directory.run())
        yield directory
        task.cancel()


async def test_new_changed_renamed_and_deleted_files(tmp_path: Path) -> None:
    applier = _Applier()
    _declare(tmp_path / "a.yaml", "one")
    async with _watching(tmp_path, applier) as directory:
        await _until(lambda: applier.objects.get("manifests:.") == {"one"})
        _declare(tmp_path / "a.yaml", "one", "two")
        await _until(lambda: applier.objects["manifests:."] == {"one", "two"})
        (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
        _declare(tmp_path / "sub" / "c.yaml", "three")
        await _until(lambda: applier.objects.get("manifests:sub") == {"three"})
        assert applier.objects["manifests:."] == {"one", "two"}
        (tmp_path / "b.yaml").unlink()
        await _until(lambda: applier.objects["manifests:."] == set())
        shutil.rmtree(tmp_path / "sub")
        await _until(lambda: applier.objects["manifests:sub"] == set())
        await _until(lambda: [each.name for each in directory.sources()] == ["."])
    assert applier.reports == []


async def test_a_broken_file_keeps_the_last_good_state_and_is_told(tmp_path: Path) -> None:
    applier = _Applier()
    _declare(tmp_path / "a.yaml", "one")
    _declare(tmp_path / "b.yaml", "two")
    async with _watching(tmp_path, applier) as directory:
        await _until(lambda: applier.objects.get("manifests:.") == {"one", "two"})
        (tmp_path / "b.yaml").write_text("kind: Volume\nmetadata: {name: [")
        await _until(lambda: directory.sources()[0].error)
        (tmp_path / "a.yaml").unlink()
        await _until(lambda: applier.reports)
        assert applier.objects["manifests:."] == {"one", "two"}
        assert "b.yaml:3" in applier.reports[0][1]
        _declare(tmp_path / "b.yaml", "two")
        await _until(lambda: applier.objects["manifests:."] == {"two"})
        await _until(lambda: directory.sources()[0].error == "")
    assert applier.reports[-1] == (".", "")


async def test_two_files_with_the_same_object_are_both_named(tmp_path: Path) -> None:
    applier = _Applier()
    _declare(tmp_path / "a.yaml", "one")
    _declare(tmp_path / "b.yaml", "one")
    async with _watching(tmp_path, applier) as directory:
        await _until(lambda: directory.sources() and directory.sources()[0].error)
        error = directory.sources()[0].error
    assert ("a.yaml" in error, "b.yaml" in error, applier.objects) == (True, True, {})


async def test_what_editors_leave_is_not_read(tmp_path: Path) -> None:
    applier = _Applier()
    _declare(tmp_path / "a.yaml", "one")
    async with _watching(tmp_path, applier) as directory:
        await _until(lambda: applier.objects.get("manifests:.") == {"one"})
        for name in (".a.yaml.swp", "a.yaml~", "4913", "#a.yaml#", ".hidden.yaml"):
            (tmp_path / name).write_text("broken: [")
        _declare(tmp_path / "b.yaml", "two")
        await _until(lambda: applier.objects["manifests:."] == {"one", "two"})
        assert directory.sources()[0].error == ""


async def test_the_directory_removed_deletes_nothing_and_comes_back(tmp_path: Path) -> None:
    applier = _Applier()
    watched_path = tmp_path / "watched"
    _declare(watched_path / "a.yaml", "one")
    async with _watching(watched_path, applier) as directory:
        await _until(lambda: applier.objects.get("manifests:.") == {"one"})
        watched_path.rename(tmp_path / "away")
        await _until(lambda: "nothing is deleted" in directory.sources()[0].error)
        watched_path.mkdir()
        await _until(lambda: "empty one" in directory.sources()[0].error)
        assert applier.objects["manifests:."] == {"one"}
        watched_path.rmdir()
        (tmp_path / "away").rename(watched_path)
        _declare(watched_path / "b.yaml", "two")
        await _until(lambda: applier.objects["manifests:."] == {"one", "two"})
        await _until(lambda: directory.sources()[0].error == "")


async def test_a_source_that_went_while_nobody_watched_is_deleted(tmp_path: Path) -> None:
    applier = _Applier()
    applier.objects["manifests:old"] = {"left"}
    applier.objects["cli"] = {"other"}
    async with _watching(tmp_path, applier):
        await _until(lambda: applier.objects["manifests:old"] == set())
    assert applier.objects["cli"] == {"other"}


async def test_a_conflict_is_told_and_tried_again(tmp_path: Path) -> None:
    applier = _Applier()
    applier.refusal = ManagedElsewhere("Volume/one belongs to cli", manager="cli")
    _declare(tmp_path / "a.yaml", "one")
    async with _watching(tmp_path, applier) as directory:
        await _until(lambda: directory.sources() and "belongs to cli" in directory.sources()[0].error)
        applier.refusal = None
        await _until(lambda: applier.objects.get("manifests:.") == {"one"})
    assert [message for _, message in applier.reports] == ["Volume/one belongs to cli", ""]
