"""Files that can't be seen are not files that are gone: nothing of their sources is deleted."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from controller.manifests.watch import ManifestDirectory
from tests.unit.watched_directory import RecordingApplier, declare, until, watching

_NOBODY = 65534


@pytest.fixture
def unprivileged_path() -> Iterator[Path]:
    """A directory of an account that permissions hold for; the test runs as it."""
    path = Path(tempfile.mkdtemp())
    was_root = os.geteuid() == 0
    if was_root:
        os.chown(path, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
    yield path
    if was_root:
        os.seteuid(0)
    shutil.rmtree(path)


def _earlier(**objects: set[str]) -> RecordingApplier:
    """Return what an earlier daemon has applied, by source."""
    applier = RecordingApplier()
    applier.objects = {f"manifests:{source}": names for source, names in objects.items()}
    return applier


def _is_told(directory: ManifestDirectory, words: str) -> bool:
    return any(words in each.error for each in directory.sources())


@pytest.mark.parametrize("missing", [True, False])
async def test_a_directory_not_there_or_empty_at_the_start(tmp_path: Path, *, missing: bool) -> None:
    applier = _earlier(team={"one"})
    applier.objects["manifests:."] = {"two"}
    path = tmp_path / "watched"
    if not missing:
        path.mkdir()
    async with watching(path, applier) as directory:
        await until(lambda: [each.name for each in directory.sources()] == [".", "team"])
        await until(lambda: all("nothing is deleted" in each.error for each in directory.sources()))
        assert [each.objects for each in directory.sources()] == [1, 1]
        declare(path / "a.yaml", "two")
        declare(path / "team" / "b.yaml", "one")
        await until(lambda: not any(each.error for each in directory.sources()))
    assert applier.objects == {"manifests:.": {"two"}, "manifests:team": {"one"}}
    assert sorted({source for source, message in applier.reports if message}) == [".", "team"]


async def test_a_source_empty_at_the_start_among_others(tmp_path: Path) -> None:
    applier = _earlier(team={"one"})
    declare(tmp_path / "a.yaml", "two")
    (tmp_path / "team").mkdir()
    async with watching(tmp_path, applier) as directory:
        await until(lambda: len(directory.sources()) == 2 and "no manifests" in directory.sources()[1].error)
        assert applier.objects["manifests:team"] == {"one"}
        applier.objects["manifests:team"] = set()  # somebody deletes it by hand
        await until(lambda: not directory.sources()[1].error)


async def test_a_source_seen_with_files_may_become_empty(tmp_path: Path) -> None:
    applier = RecordingApplier()
    declare(tmp_path / "a.yaml", "two")
    declare(tmp_path / "team" / "b.yaml", "one")
    async with watching(tmp_path, applier):
        await until(lambda: applier.objects.get("manifests:team") == {"one"})
        (tmp_path / "team" / "b.yaml").unlink()
        await until(lambda: applier.objects["manifests:team"] == set())
        (tmp_path / "a.yaml").unlink()
        await until(lambda: applier.objects["manifests:."] == set())
    assert applier.reports == []


async def test_a_source_that_has_become_another_directory(tmp_path: Path) -> None:
    applier = RecordingApplier()
    declare(tmp_path / "elsewhere" / "b.yaml", "one")
    (tmp_path / "empty").mkdir()
    watched_path = tmp_path / "watched"
    declare(watched_path / "a.yaml", "two")
    (watched_path / "team").symlink_to(tmp_path / "elsewhere")
    async with watching(watched_path, applier) as directory:
        await until(lambda: applier.objects.get("manifests:team") == {"one"})
        for target in ("nowhere", "empty"):
            (watched_path / "new").symlink_to(tmp_path / target)
            (watched_path / "new").rename(watched_path / "team")
            told = {"nowhere": "does not exist", "empty": "no manifests"}[target]
            await until(partial(_is_told, directory, told))
    assert applier.objects["manifests:team"] == {"one"}


@pytest.mark.parametrize("hidden", ["b.yaml", "inner"])
async def test_what_can_not_be_read_keeps_its_source(unprivileged_path: Path, hidden: str) -> None:
    applier = RecordingApplier()
    source_path = unprivileged_path / "team"
    declare(source_path / "inner" / "a.yaml", "one")
    declare(source_path / "b.yaml", "two")
    async with watching(unprivileged_path, applier) as directory:
        await until(lambda: applier.objects.get("manifests:team") == {"one", "two"})
        (source_path / hidden).chmod(0)
        declare(source_path / "c.yaml", "three")
        await until(lambda: "can't be read" in directory.sources()[-1].error)
        assert str(source_path / hidden) in directory.sources()[-1].error
        assert applier.objects["manifests:team"] == {"one", "two"}
        (source_path / hidden).chmod(0o755)
        await until(lambda: applier.objects["manifests:team"] == {"one", "two", "three"})
    assert applier.reports[-1] == ("team", "")


async def test_the_whole_directory_unreadable(unprivileged_path: Path) -> None:
    applier = RecordingApplier()
    watched_path = unprivileged_path / "watched"
    declare(watched_path / "team" / "a.yaml", "one")
    async with watching(watched_path, applier) as directory:
        await until(lambda: applier.objects.get("manifests:team") == {"one"})
        watched_path.chmod(0)
        await until(lambda: "can't be read" in directory.sources()[-1].error)
        watched_path.chmod(0o755)
        await until(lambda: not directory.sources()[-1].error)
    assert applier.objects["manifests:team"] == {"one"}


@pytest.mark.parametrize("place", [".", "team"])
async def test_a_link_to_nothing_keeps_its_source(tmp_path: Path, place: str) -> None:
    applier = RecordingApplier()
    declare(tmp_path / "store" / "real.yaml", "one")
    watched_path = tmp_path / "watched"
    link_path = watched_path / place / "a.yaml"
    link_path.parent.mkdir(parents=True)
    link_path.symlink_to(tmp_path / "store" / "real.yaml")
    async with watching(watched_path, applier) as directory:
        await until(lambda: applier.objects.get(f"manifests:{place}") == {"one"})
        (tmp_path / "store" / "real.yaml").rename(tmp_path / "away")
        await until(lambda: any("does not exist" in each.error for each in directory.sources()))
        assert applier.objects[f"manifests:{place}"] == {"one"}
        link_path.unlink()
        await until(lambda: applier.objects[f"manifests:{place}"] == set())


async def test_a_file_cut_to_nothing_is_half_written(tmp_path: Path) -> None:
    applier = RecordingApplier()
    declare(tmp_path / "a.yaml", "one")
    async with watching(tmp_path, applier) as directory:
        await until(lambda: applier.objects.get("manifests:.") == {"one"})
        (tmp_path / "a.yaml").write_text("\n")
        await until(lambda: "is empty" in directory.sources()[0].error)
        assert applier.objects["manifests:."] == {"one"}
        (tmp_path / "a.yaml").write_text("# nothing any more\n")
        await until(lambda: applier.objects["manifests:."] == set())


async def test_a_directory_behind_a_link_in_a_source_is_told(tmp_path: Path) -> None:
    applier = RecordingApplier()
    declare(tmp_path / "watched" / "team" / "inner" / "a.yaml", "one")
    async with watching(tmp_path / "watched", applier) as directory:
        await until(lambda: applier.objects.get("manifests:team") == {"one"})
        (tmp_path / "watched" / "team" / "inner").rename(tmp_path / "inner")
        (tmp_path / "watched" / "team" / "inner").symlink_to(tmp_path / "inner")
        await until(lambda: "link to a directory" in directory.sources()[-1].error)
    assert applier.objects["manifests:team"] == {"one"}
