"""Content that somebody is about to name is not discarded."""

from pathlib import Path

from controller.images.store import ImageStore
from tests.kernel.image_builder import make_entry, make_image, make_layer, open_store, pack, put_image

IMAGE = make_image(make_layer(pack([make_entry("file", b"content")])))


async def _put(store: ImageStore) -> str:
    await put_image(store, IMAGE)
    (facts,) = await store.list()
    return facts.id


async def test_a_lease_keeps_what_came_in(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    with store.lease():
        image_id = await _put(store)
        assert not await store.discard(image_id, keep=frozenset())
    assert await store.find(image_id) is not None
    assert await store.discard(image_id, keep=frozenset())
    assert await store.list() == ()
    assert await (await open_store(tmp_path)).list() == ()


async def test_a_lease_keeps_what_was_found_and_nothing_else(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    image_id = await _put(store)
    with store.lease():
        assert await store.find(image_id) is not None
        assert not await store.discard(image_id, keep=frozenset())
    with store.lease():
        assert await store.discard(image_id, keep=frozenset())
    assert await store.discard(image_id, keep=frozenset())
