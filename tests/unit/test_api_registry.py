"""RegistryService: what is pulled is declared, what is declared is pushed; progress, logins, wrong words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from controller.api.v1 import registry_pb2, resource_pb2, state_pb2
from controller.model.ids import Key, Uid
from controller.model.image import Image, ImageStatus
from controller.model.resource import Condition, ConditionStatus
from tests.fakes.api_kernel import NOW
from tests.fakes.pulls import make_content
from tests.unit.api_bench import Bench, opened_bench, read_details

READY = Condition(type="Ready", status=ConditionStatus.TRUE, reason="Present", last_transition_at=NOW)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened_bench(tmp_path) as opened, asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(play_loop(opened))
        yield opened
        loop.cancel()


async def play_loop(bench: Bench) -> None:
    """Note for every image that what was pulled for it is there."""
    async for change in bench.store.watch(bench.store.revision()):
        image = change.resource
        if isinstance(image, Image) and image.assigned is not None and image.assigned.manifest:
            found = [
                each
                for each in bench.registries.images.values()
                if each.manifest_digest == image.assigned.manifest
            ]
            status = ImageStatus(
                id=found[0].id, digest=found[0].manifest_digest, layers=found[0].layers, conditions=(READY,)
            )
            key = Key("Image", image.metadata.name)
            await bench.store.put_status(key, Uid(image.metadata.uid or ""), status)


async def pull(bench: Bench, reference: str, **fields: object) -> list[registry_pb2.PullImageResponse]:
    request = registry_pb2.PullImageRequest(reference=reference, **fields)  # type: ignore[arg-type]
    return [answer async for answer in bench.registry.PullImage(request)]


def find(bench: Bench, name: str) -> Image:
    found = bench.store.snapshot()[Key("Image", name)]
    assert isinstance(found, Image)
    return found


async def test_what_is_pulled_is_declared_and_ready(bench: Bench) -> None:
    bench.registries.content["docker.io/library/shop:latest"] = "one"
    answers = await pull(bench, "docker.io/library/shop")
    assert answers[0].begun == "shop:latest"
    assert {answer.layer.state for answer in answers if answer.HasField("layer")} == {"Pull complete"}
    image = answers[-1].image
    assert (image.newer, image.digest) == (True, make_content("one").manifest_digest)
    assert image.resource.image.source.registry == "shop:latest"
    assert find(bench, "shop:latest").status.id == make_content("one").id
    assert not (await pull(bench, "shop"))[-1].image.newer
    bench.registries.content["docker.io/library/shop:latest"] = "two"
    before = find(bench, "shop:latest").metadata.generation
    assert not (await pull(bench, "shop", only_missing=True))[-1].image.newer
    assert (await pull(bench, "shop"))[-1].image.newer
    assert find(bench, "shop:latest").metadata.generation == before


async def test_a_pull_that_fails_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pull(bench, "nosuch:1")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "nosuch:1 does not exist in the registry" in (caught.value.details() or "")
    assert Key("Image", "nosuch:1") not in bench.store.snapshot()


async def test_every_tag_is_pulled_when_all_are_asked_for(bench: Bench) -> None:
    bench.registries.content |= {f"reg.example/shop:{tag}": tag for tag in ("1", "2")}
    answers = await pull(bench, "reg.example/shop", all_tags=True)
    assert [answer.begun for answer in answers if answer.begun] == [
        "reg.example/shop:1",
        "reg.example/shop:2",
    ]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pull(bench, "reg.example/shop:1", all_tags=True)
    assert "all tags are asked for" in (caught.value.details() or "")


async def test_what_a_manifest_declares_stays_its_own(bench: Bench) -> None:
    bench.registries.content["docker.io/library/shop:1"] = "one"
    source = resource_pb2.ImageSource(registry="shop:1", platform="linux/arm64")
    declared = resource_pb2.Resource(
        kind="Image",
        metadata=resource_pb2.Metadata(name="shop:1", labels={"a": "b"}),
        image=resource_pb2.ImageSpec(source=source),
    )
    await bench.state.Apply(state_pb2.ApplyRequest(resources=[declared], manager="manifests:shop"))
    await pull(bench, "shop:1")
    image = find(bench, "shop:1")
    assert (image.metadata.manager, image.metadata.labels) == ("manifests:shop", {"a": "b"})
    assert bench.registries.platforms == ["linux/arm64"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pull(bench, "shop:1", platform="linux/amd64")
    assert "is managed by manifests:shop" in (caught.value.details() or "")


async def test_a_login_goes_to_the_registry_alone(bench: Bench) -> None:
    bench.registries.content["reg.example/shop:1"] = "one"
    bench.registries.password = "secret words"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pull(bench, "reg.example/shop:1")
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    credential = registry_pb2.RegistryCredential(username="me", password="secret words")
    await pull(bench, "reg.example/shop:1", credential=credential)
    assert "secret" not in find(bench, "reg.example/shop:1").model_dump_json()


async def test_an_image_is_pushed_under_its_name_with_its_kin(bench: Bench) -> None:
    bench.registries.content |= {"reg.example/a:1": "one", "reg.example/b:1": "one", "reg.example/b:2": "two"}
    for name in bench.registries.content:
        await pull(bench, name)
    request = registry_pb2.PushImageRequest(name="reg.example/b", all_tags=True)
    answers = [answer async for answer in bench.registry.PushImage(request)]
    pushed = [answer.image.reference for answer in answers if answer.HasField("image")]
    assert pushed == ["reg.example/b:1", "reg.example/b:2"]
    assert dict(bench.registries.pushed["reg.example/b:1"].kindred) == {make_content("one").layers[0]: "a"}
    assert bench.registries.pushed["reg.example/b:2"].kindred == {}
    for name, told in (("nosuch:1", "hold tag"), ("NoSuch", "lower-case")):
        with pytest.raises(grpc.aio.AioRpcError, match=told):
            await anext(aiter(bench.registry.PushImage(registry_pb2.PushImageRequest(name=name))))


async def test_tags_are_listed_and_repositories_found(bench: Bench) -> None:
    bench.registries.content |= {"reg.example/shop:1": "one", "reg.example/shop:2": "two"}
    tags = await bench.registry.ListTags(registry_pb2.ListTagsRequest(repository="reg.example/shop"))
    assert list(tags.tags) == ["1", "2"]
    found = await bench.registry.SearchImages(registry_pb2.SearchImagesRequest(term="reg.example/sh"))
    assert [(each.name, each.stars) for each in found.images] == [("reg.example/shop", 1)]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bench.registry.SearchImages(registry_pb2.SearchImagesRequest(term="reg.example/"))
    assert "BadRequest" in read_details(caught.value)


async def test_who_stops_watching_ends_the_pull(bench: Bench) -> None:
    bench.registries.content["docker.io/library/shop:1"] = "one"
    call = bench.registry.PullImage(registry_pb2.PullImageRequest(reference="shop:1"))
    assert (await call.read()).begun == "shop:1"
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call.read()
    assert (await pull(bench, "shop:1"))[-1].image.newer in (True, False)
