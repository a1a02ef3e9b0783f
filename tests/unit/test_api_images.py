"""Images by the API: lists, inspection, names, removal; disk usage; clearing up."""

from pathlib import Path

import grpc
import pytest

from controller.api.v1 import image_pb2, resource_pb2, system_pb2
from controller.model.facts import ImageFacts
from controller.model.ids import Key, Uid
from controller.model.image import ImageStatus
from controller.model.usage import DiskFacts, TreeSize
from tests.unit.api_bench import Bench, container, opened_bench, volume
from tests.unit.test_plan_prune import make_facts

A, D = make_facts("a"), make_facts("d")
DOCUMENT = b'{"created": "2026-01-02T00:00:00Z", "rootfs": {"diff_ids": ["diff"]}, "history": [{"created_by": "ADD"}]}'


def _image(name: str, facts: ImageFacts) -> resource_pb2.Resource:
    spec = resource_pb2.ImageSpec(source=resource_pb2.ImageSource(stored=facts.manifest_digest))
    return resource_pb2.Resource(kind="Image", metadata=resource_pb2.Metadata(name=name), image=spec)


async def _fill(bench: Bench) -> None:
    """Content a is named, and known to be; d is not."""
    for facts in (A, D):
        bench.importer.keep(facts, DOCUMENT)
    await bench.apply(_image("a:1", A))
    await _report(bench, "a:1", A)


async def _report(bench: Bench, name: str, facts: ImageFacts) -> None:
    key = Key("Image", name)
    uid = Uid(bench.store.snapshot()[key].metadata.uid or "")
    await bench.store.put_status(key, uid, ImageStatus(id=facts.id, digest=facts.manifest_digest))


def _list_names(bench: Bench) -> list[str]:
    found = bench.store.snapshot().items()
    return sorted(key.name for key, each in found if key.kind == "Image" and each.metadata.deleted_at is None)


async def test_names_and_content_are_listed(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        await _fill(bench)
        tag = image_pb2.TagImageRequest(source="aaaa", target="reg.example/b")
        answer = await bench.images.TagImage(tag)
        assert answer.resource.metadata.name == "reg.example/b:latest"
        assert answer.resource.image.source.stored == A.manifest_digest
        web = container("web", image="a:1")
        web.container.ClearField("rootfs")
        await bench.apply(web)
        images = (await bench.images.ListImages(image_pb2.ListImagesRequest())).images
        assert [(list(each.names), each.id, list(each.containers)) for each in images] == [
            (["a:1", "reg.example/b:latest"], A.id, ["web"]),
            ([], D.id, []),
        ]
        assert list(images[0].repository_digests) == [f"a@{A.manifest_digest}"]


async def test_an_image_is_inspected(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        await _fill(bench)
        answer = await bench.images.InspectImage(image_pb2.InspectImageRequest(name="a:1"))
        assert answer.document == DOCUMENT.decode()
        assert [(step.created_by, step.size_bytes) for step in answer.history] == [("ADD", 1)]
        assert [(layer.chain_id, layer.diff_id) for layer in answer.layers] == [("layer", "diff")]
        assert (answer.image.id, answer.manifest_digest) == (A.id, A.manifest_digest)
        with pytest.raises(grpc.aio.AioRpcError, match="does not exist"):
            await bench.images.InspectImage(image_pb2.InspectImageRequest(name="nope"))


async def test_removal_is_all_or_nothing(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        await _fill(bench)
        await bench.images.TagImage(image_pb2.TagImageRequest(source="a:1", target="b:1"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bench.images.RemoveImages(image_pb2.RemoveImagesRequest(names=["b:1", "nope"]))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.aio.AioRpcError, match="several names"):
            await bench.images.RemoveImages(image_pb2.RemoveImagesRequest(names=["aaaa"]))
        assert _list_names(bench) == ["a:1", "b:1"]
        answer = await bench.images.RemoveImages(image_pb2.RemoveImagesRequest(names=["b:1", "dddd"]))
        assert (list(answer.untagged), list(answer.deleted)) == (["b:1"], [D.id])
        assert list(bench.importer.kept) == [A.id]
        answer = await bench.images.RemoveImages(image_pb2.RemoveImagesRequest(names=["aaaa"]))
        assert (list(answer.untagged), list(answer.deleted)) == (["a:1"], [A.id])


async def test_an_import_says_when_and_for_what(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        start = image_pb2.ImportStart(name="x", message="note", platform="arm64")
        end = image_pb2.ImportRequest(end=image_pb2.ImportEnd())
        await bench.images.Import(iter([image_pb2.ImportRequest(start=start), end]))
        (provenance,) = bench.importer.provenances
        assert (provenance.comment, str(provenance.platform)) == ("note", "linux/arm64")
        start.platform = "a/b/c/d"
        with pytest.raises(grpc.aio.AioRpcError, match="is not a platform"):
            await bench.images.Import(iter([image_pb2.ImportRequest(start=start), end]))


async def test_the_disk_is_measured(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        await _fill(bench)
        await bench.apply(volume("data"), container("web"))
        size = TreeSize(content_bytes=1, allocated_bytes=100)
        bench.importer.disk = DiskFacts(
            images=size, layers={"layer": size}, documents={}, containers={}, volumes={}
        )
        answer = await bench.system.GetDiskUsage(system_pb2.GetDiskUsageRequest())
        totals = [(each.kind, each.total, each.size_bytes, each.reclaimable_bytes) for each in answer.totals]
        assert totals == [("Image", 2, 100, 100), ("Container", 1, 0, 0), ("Volume", 1, 0, 0)]
        assert [(image.id, image.shared_bytes) for image in answer.images] == [(A.id, 100), (D.id, 100)]
        assert [each.name for each in answer.containers] == ["web"]


async def test_pruning_tells_before_and_does_then(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        await _fill(bench)
        await bench.apply(volume("data"))
        request = system_pb2.PruneRequest(
            kinds=["Image", "Volume"], all_images=True, all_volumes=True, dry_run=True
        )
        told = await bench.system.Prune(request)
        assert sorted(f"{key.kind}/{key.name}" for key in told.keys) == ["Image/a:1", "Volume/data"]
        assert list(told.deleted_images) == [A.id, D.id]
        assert (_list_names(bench), len(bench.importer.kept)) == (["a:1"], 2)
        request.dry_run = False
        done = await bench.system.Prune(request)
        assert (list(done.keys), list(done.deleted_images)) == (list(told.keys), list(told.deleted_images))
        assert (_list_names(bench), list(bench.importer.kept)) == ([], [A.id])


async def test_a_wish_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        for wish in (system_pb2.PruneRequest(kinds=["Nope"]), system_pb2.PruneRequest(labels=["!"])):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await bench.system.Prune(wish)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
