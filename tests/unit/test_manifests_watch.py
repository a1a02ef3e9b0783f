"""A watched directory: every change is applied, and nothing broken ever deletes anything."""

import shutil
from pathlib import Path

from controller.errors import ManagedElsewhere
from tests.unit.watched_directory import RecordingApplier, declare, until, watching


async def test_new_changed_renamed_and_deleted_files(tmp_path: Path) -> None:
    applier = RecordingApplier()
    declare(tmp_path / "a.yaml", "one")
    async with watching(tmp_path, applier) as directory:
        await until(lambda: applier.objects.get("manifests:.") == {"one"})
        declare(tmp_path / "a.yaml", "one", "two")
        await until(lambda: applier.objects["manifests:."] == {"one", "two"})
        (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
        declare(tmp_path / "sub" / "c.yaml", "three")
        await until(lambda: applier.objects.get("manifests:sub") == {"three"})
        assert applier.objects["manifests:."] == {"one", "two"}
        (tmp_path / "b.yaml").unlink()
        await until(lambda: applier.objects["manifests:."] == set())
        shutil.rmtree(tmp_path / "sub")
        await until(lambda: applier.objects["manifests:sub"] == set())
        await until(lambda: [each.name for each in directory.sources()] == ["."])
    assert applier.reports == []


async def test_a_broken_file_keeps_the_last_good_state_and_is_told(tmp_path: Path) -> None:
    applier = RecordingApplier()
    declare(tmp_path / "a.yaml", "one")
    declare(tmp_path / "b.yaml", "two")
    async with watching(tmp_path, applier) as directory:
        await until(lambda: applier.objects.get("manifests:.") == {"one", "two"})
        (tmp_path / "b.yaml").write_text("kind: Volume\nmetadata: {name: [")
        await until(lambda: directory.sources()[0].error)
        (tmp_path / "a.yaml").unlink()
        await until(lambda: applier.reports)
        assert applier.objects["manifests:."] == {"one", "two"}
        assert "b.yaml:3" in applier.reports[0][1]
        declare(tmp_path / "b.yaml", "two")
        await until(lambda: applier.objects["manifests:."] == {"two"})
        await until(lambda: directory.sources()[0].error == "")
    assert applier.reports[-1] == (".", "")


async def test_two_files_with_the_same_object_are_both_named(tmp_path: Path) -> None:
    applier = RecordingApplier()
    declare(tmp_path / "a.yaml", "one")
    declare(tmp_path / "b.yaml", "one")
    async with watching(tmp_path, applier) as directory:
        await until(lambda: directory.sources() and directory.sources()[0].error)
        error = directory.sources()[0].error
    assert ("a.yaml" in error, "b.yaml" in error, applier.objects) == (True, True, {})


async def test_what_editors_leave_is_not_read(tmp_path: Path) -> None:
    applier = RecordingApplier()
    declare(tmp_path / "a.yaml", "one")
    async with watching(tmp_path, applier) as directory:
        await until(lambda: applier.objects.get("manifests:.") == {"one"})
        for name in (".a.yaml.swp", "a.yaml~", "4913", "#a.yaml#", ".hidden.yaml"):
            (tmp_path / name).write_text("broken: [")
        declare(tmp_path / "b.yaml", "two")
        await until(lambda: applier.objects["manifests:."] == {"one", "two"})
        assert directory.sources()[0].error == ""


async def test_the_directory_removed_deletes_nothing_and_comes_back(tmp_path: Path) -> None:
    applier = RecordingApplier()
    watched_path = tmp_path / "watched"
    declare(watched_path / "a.yaml", "one")
    async with watching(watched_path, applier) as directory:
        await until(lambda: applier.objects.get("manifests:.") == {"one"})
        watched_path.rename(tmp_path / "away")
        await until(lambda: "nothing is deleted" in directory.sources()[0].error)
        watched_path.mkdir()
        await until(lambda: "no manifests" in directory.sources()[0].error)
        assert applier.objects["manifests:."] == {"one"}
        watched_path.rmdir()
        (tmp_path / "away").rename(watched_path)
        declare(watched_path / "b.yaml", "two")
        await until(lambda: applier.objects["manifests:."] == {"one", "two"})
        await until(lambda: directory.sources()[0].error == "")


async def test_a_source_that_went_while_nobody_watched_is_deleted(tmp_path: Path) -> None:
    applier = RecordingApplier()
    applier.objects["manifests:old"] = {"left"}
    applier.objects["cli"] = {"other"}
    declare(tmp_path / "a.yaml", "one")
    async with watching(tmp_path, applier):
        await until(lambda: applier.objects["manifests:old"] == set())
    assert applier.objects["cli"] == {"other"}


async def test_a_conflict_is_told_and_tried_again(tmp_path: Path) -> None:
    applier = RecordingApplier()
    applier.refusal = ManagedElsewhere("Volume/one belongs to cli", manager="cli")
    declare(tmp_path / "a.yaml", "one")
    async with watching(tmp_path, applier) as directory:
        await until(lambda: directory.sources() and "belongs to cli" in directory.sources()[0].error)
        applier.refusal = None
        await until(lambda: applier.objects.get("manifests:.") == {"one"})
    assert [message for _, message in applier.reports] == ["Volume/one belongs to cli", ""]
