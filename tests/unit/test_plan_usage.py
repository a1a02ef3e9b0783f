"""Sizes by object, what is shared counted once, what would come free."""

from controller.model.changes import Snapshot
from controller.model.ids import Uid
from controller.model.kinds import Resource, key_of
from controller.model.usage import ContainerSize, DiskFacts, TreeSize
from controller.plan.image_names import ImageIndex
from controller.plan.usage import StoreFacts, Usage, derive_freed, derive_usage
from tests.unit.test_plan_prune import make, make_facts

BASE, TOP, OTHER = "sha256:base", "sha256:top", "sha256:other"
A, B, D = (
    make_facts("a", layers=(BASE, TOP)),
    make_facts("b", layers=(BASE,)),
    make_facts("d", layers=(OTHER,)),
)
CONTENT = [A, B, D]
PARTS = {A.id: frozenset({A.id, BASE, TOP}), B.id: frozenset({B.id, BASE}), D.id: frozenset({D.id, OTHER})}
WEB = make(
    "Container/web",
    spec={"image": "a:1", "networkMode": "none", "mounts": ["data:/d"]},
    status={"phase": "Running"},
)
OLD = make("Container/old", spec={"image": "a:1", "networkMode": "none"}, status={"phase": "Exited"})
DATA, SPARE = make("Volume/data"), make("Volume/spare")


def make_snapshot(*resources: Resource) -> Snapshot:
    images = [make("Image/a:1", status={"id": A.id}), make("Image/b:1", status={"id": B.id})]
    return {key_of(each): each for each in [*images, DATA, SPARE, *resources]}


def _size(allocated: int) -> TreeSize:
    return TreeSize(content_bytes=1, allocated_bytes=allocated)


def _uid(resource: Resource) -> Uid:
    return Uid(resource.metadata.uid or "")


DISK = DiskFacts(
    images=_size(10_000),
    layers={BASE: _size(1000), TOP: _size(200), OTHER: _size(30)},
    documents={A.id: _size(4), B.id: _size(4), D.id: _size(4), BASE: _size(500)},
    containers={
        _uid(WEB): ContainerSize(writable=_size(7), whole=_size(9)),
        _uid(OLD): ContainerSize(writable=_size(70), whole=_size(90)),
    },
    volumes={_uid(DATA): _size(11), _uid(SPARE): _size(13)},
)


def _derive(snapshot: Snapshot, *, in_use: tuple[str, ...] = ()) -> Usage:
    store = StoreFacts(parts=PARTS, layers_in_use=in_use)
    return derive_usage(snapshot, ImageIndex(snapshot, CONTENT), DISK, store)


def _list_totals(usage: Usage) -> list[tuple[str, int, int, int, int]]:
    return [
        (each.kind, each.total, each.active, each.size_bytes, each.reclaimable_bytes) for each in usage.totals
    ]


def test_totals() -> None:
    """The lowest layer is there unpacked and packed by one digest; both are the image's."""
    assert _list_totals(_derive(make_snapshot(WEB, OLD))) == [
        ("Image", 3, 1, 10_000, 4 + 30 + 4),
        ("Container", 2, 1, 99, 90),
        ("Volume", 2, 1, 24, 13),
    ]


def test_without_containers_everything_can_go() -> None:
    assert _list_totals(_derive(make_snapshot())) == [
        ("Image", 3, 0, 10_000, 1000 + 200 + 30 + 500 + 12),
        ("Container", 0, 0, 0, 0),
        ("Volume", 2, 0, 24, 24),
    ]


def test_layers_that_roots_stand_on_are_needed() -> None:
    usage = _derive(make_snapshot(WEB), in_use=(OTHER,))
    assert usage.totals[0].reclaimable_bytes == 4 + 4


def test_images() -> None:
    found = {image.id: image for image in _derive(make_snapshot(WEB, OLD)).images}
    assert (found[A.id].size_bytes, found[A.id].shared_bytes) == (1704, 1500)
    assert (found[B.id].size_bytes, found[B.id].shared_bytes) == (1504, 1500)
    assert (found[D.id].size_bytes, found[D.id].shared_bytes, found[D.id].names) == (34, 0, ())
    assert sorted(found[A.id].containers) == ["old", "web"]


def test_containers_and_volumes() -> None:
    usage = _derive(make_snapshot(WEB, OLD))
    assert [(each.size_bytes, each.writable_bytes, each.running) for each in usage.containers] == [
        (90, 70, False),
        (9, 7, True),
    ]
    assert [(each.size_bytes, each.containers) for each in usage.volumes] == [(11, ("web",)), (13, ())]


def test_what_comes_free() -> None:
    store = StoreFacts(parts=PARTS)
    assert derive_freed(DISK, store, [OLD, SPARE], [D.id]) == 90 + 13 + 34
    assert derive_freed(DISK, store, [], [A.id]) == 4 + 200
    assert derive_freed(DISK, store, [], [A.id, B.id]) == 8 + 200 + 1500
    held = StoreFacts(parts=PARTS, layers_in_use=(OTHER,))
    assert derive_freed(DISK, held, [], [D.id]) == 4
