"""Archives of images over the API."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import grpc
import pytest

from controller.api.v1 import archive_pb2, resource_pb2
from controller.model.facts import ImageFacts
from controller.model.ids import Key
from controller.model.image import Image, ImageConfig
from tests.unit.api_bench import Bench, opened_bench

START = archive_pb2.LoadImagesRequest(start=archive_pb2.LoadImagesStart())
END = archive_pb2.LoadImagesRequest(end=archive_pb2.LoadImagesEnd())


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A server and a client."""
    async with opened_bench(tmp_path) as bench:
        yield bench


def chunk(text: str) -> archive_pb2.LoadImagesRequest:
    return archive_pb2.LoadImagesRequest(chunk=text.encode())


async def load(
    bench: Bench, requests: Iterable[archive_pb2.LoadImagesRequest]
) -> list[archive_pb2.LoadedImage]:
    answer = await bench.image_archives.LoadImages(iter(requests))
    return list(answer.images)


async def test_each_name_becomes_an_object(bench: Bench) -> None:
    loaded = await load(bench, [START, chunk("sha256:1 shop:1 sh"), chunk("op:2\nsha256:2\n"), END])
    assert [(each.id, list(each.names)) for each in loaded] == [
        ("sha256:1", ["shop:1", "shop:2"]),
        ("sha256:2", []),
    ]
    for name in ("shop:1", "shop:2"):
        image = bench.store.snapshot()[Key("Image", name)]
        assert isinstance(image, Image)
        assert image.spec.source.stored == "sha256:1-manifest"


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ([], "start"),
        ([chunk("sha256:1 a:1")], "start"),
        ([START, chunk("sha256:1 a:1")], "broke off"),
        ([START, START], "chunk or the end"),
        ([START, END], "no image archive"),
    ],
)
async def test_a_bad_upload_changes_nothing(
    bench: Bench, requests: list[archive_pb2.LoadImagesRequest], message: str
) -> None:
    before = bench.store.revision()
    with pytest.raises(grpc.aio.AioRpcError, match=message) as caught:
        await load(bench, requests)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert bench.store.revision() == before
    assert bench.archives.loaded == []


async def test_names_are_another_managers(bench: Bench) -> None:
    image = resource_pb2.Resource(
        kind="Image",
        metadata=resource_pb2.Metadata(name="shop:1"),
        image=resource_pb2.ImageSpec(source=resource_pb2.ImageSource(archive="/a.tar")),
    )
    await bench.apply(image, manager="file:shop")
    with pytest.raises(grpc.aio.AioRpcError, match="file:shop"):
        await load(bench, [START, chunk("sha256:1 shop:1"), END])
    forced = archive_pb2.LoadImagesRequest(start=archive_pb2.LoadImagesStart(force=True))
    assert len(await load(bench, [forced, chunk("sha256:1 shop:1"), END])) == 1


async def test_names_of_one_image_are_saved_once(bench: Bench) -> None:
    digest = f"sha256:{'a' * 64}"
    facts = ImageFacts(
        id=digest, manifest_digest=f"{digest}-manifest", config=ImageConfig(), layers=(), size_bytes=1
    )
    bench.importer.keep(facts)
    await load(bench, [START, chunk(f"{digest} shop:1 shop:2"), END])
    for names, text in (
        (["shop:1", "shop:2", "a" * 12], f"{digest}-manifest shop:1 shop:2\n"),
        (["a" * 12], f"{digest}-manifest \n"),
    ):
        call = bench.image_archives.SaveImages(archive_pb2.SaveImagesRequest(names=names))
        assert b"".join([each.chunk async for each in call]).decode() == text
    for names in ([], ["gone"]):
        with pytest.raises(grpc.aio.AioRpcError):
            await anext(aiter(bench.image_archives.SaveImages(archive_pb2.SaveImagesRequest(names=names))))
