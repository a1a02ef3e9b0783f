"""What words mean, what removals come to, and the steps that images were built in."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.errors import Conflict, Damaged, InUse, Invalid, ManagedElsewhere, NotFound
from controller.model.changes import Snapshot
from controller.model.ids import Uid
from controller.model.image import Image
from controller.model.kinds import Resource, key_of
from controller.plan.image import ImageDesired, ImageObserved, plan_image
from controller.plan.image_document import (
    HistoryEntry,
    ImageDocument,
    align_history,
    parse_document,
    parse_moment,
)
from controller.plan.image_names import ImageIndex
from controller.plan.image_removal import ImageRemoval, decide_image_removal
from controller.plan.prune import PruneWish, decide_prune
from tests.unit.test_plan_prune import CONTENT, NOW, make

A, B, D = CONTENT


def make_snapshot(*more: Resource) -> Snapshot:
    """Content a has two names, b one, d none; c:1 has not come yet."""
    resources = [
        make("Image/a:1", status={"id": A.id, "digest": A.manifest_digest}),
        make("Image/reg.example:5000/team/a:1", spec={"source": {"stored": A.manifest_digest}}),
        make("Image/b:latest", status={"id": B.id}),
        make("Image/c:1"),
        make("Image/gone:1", status={"id": D.id}, deleted_at=datetime(2026, 1, 1, tzinfo=UTC)),
        *more,
    ]
    return {key_of(each): each for each in resources}


BOTH = ("a:1", "reg.example:5000/team/a:1")


@pytest.mark.parametrize(
    ("word", "image_id", "names", "name"),
    [
        ("a:1", A.id, BOTH, "a:1"),
        ("docker.io/library/a:1", A.id, BOTH, "a:1"),
        ("reg.example:5000/team/a:1", A.id, BOTH, "reg.example:5000/team/a:1"),
        ("b", B.id, ("b:latest",), "b:latest"),
        (f"a@{A.manifest_digest}", A.id, BOTH, "a:1"),
        ("aaaa", A.id, BOTH, ""),
        (A.id, A.id, BOTH, ""),
        ("sha256:bbbbb", B.id, ("b:latest",), ""),
        ("dddd", D.id, (), ""),
        ("c:1", "", ("c:1",), "c:1"),
    ],
)
def test_a_word_means(word: str, image_id: str, names: tuple[str, ...], name: str) -> None:
    match = ImageIndex(make_snapshot(), CONTENT).find(word)
    assert (match.image_id, match.names, match.name) == (image_id, names, name)


@pytest.mark.parametrize("word", ["nope", "aaa", "a:2", f"b@{A.manifest_digest}", "gone:1", "ffff", ""])
def test_a_word_that_means_nothing_is_told(word: str) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        ImageIndex(make_snapshot(), CONTENT).find(word)


def test_the_beginning_of_several_ids_is_told() -> None:
    twins = [A, replace(A, id=A.id[:-1] + "b")]
    with pytest.raises(Invalid, match="2 images"):
        ImageIndex(make_snapshot(), twins).find("aaaa")


def test_dangling_content_has_no_name() -> None:
    assert ImageIndex(make_snapshot(), CONTENT).list_dangling() == (D,)


def _remove(*words: str, more: tuple[Resource, ...] = (), **options: bool) -> ImageRemoval:
    snapshot = make_snapshot(*more)
    return decide_image_removal(snapshot, ImageIndex(snapshot, CONTENT), words, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "force", "untagged", "deleted", "dangling"),
    [
        (("a:1",), False, ("a:1",), (), ()),
        (("a:1", "reg.example:5000/team/a:1"), False, BOTH, (A.id,), ()),
        (("aaaa",), True, BOTH, (A.id,), ()),
        (("b",), False, ("b:latest",), (B.id,), ()),
        (("bbbb",), False, ("b:latest",), (B.id,), ()),
        (("bbbb", "b"), False, ("b:latest",), (B.id,), ()),
        (("dddd",), False, (), (D.id,), (D.id,)),
        (("c:1",), False, ("c:1",), (), ()),
    ],
)
def test_removals(
    words: tuple[str, ...],
    force: bool,
    untagged: tuple[str, ...],
    deleted: tuple[str, ...],
    dangling: tuple[str, ...],
) -> None:
    removal = _remove(*words, force=force)
    assert (removal.untagged, removal.deleted, removal.dangling) == (untagged, deleted, dangling)
    assert [write.key.name for write in removal.decision.writes if hasattr(write, "key")] == sorted(untagged)


def test_an_id_with_several_names_is_refused() -> None:
    with pytest.raises(Conflict, match="remove a:1, reg"):
        _remove("aaaa")


def test_all_that_is_missing_is_told() -> None:
    with pytest.raises(NotFound) as caught:
        _remove("a:1", "nope", "neither")
    assert [each.message.split()[1] for each in caught.value.violations] == ["nope", "neither"]


def test_a_user_is_named_also_with_force() -> None:
    web = make("Container/web", spec={"image": "b:latest", "networkMode": "none"}, status={"phase": "Exited"})
    for force in (False, True):
        with pytest.raises(InUse, match="Container/web"):
            _remove("bbbb", more=(web,), force=force)


def test_what_a_root_stands_on_stays() -> None:
    web = make("Container/web", spec={"rootfs": "/r", "networkMode": "none"}, status={"phase": "Running"})
    snapshot = make_snapshot(web)
    index = ImageIndex(snapshot, CONTENT, {"layer": [Uid(web.metadata.uid or "")]})
    assert index.list_holders(D) == ("web",)
    assert index.list_holders(replace(D, layers=("layer", "top"))) == ()
    with pytest.raises(InUse, match="Container/web"):
        decide_image_removal(snapshot, index, ["dddd"], force=True)
    assert decide_prune(snapshot, index, PruneWish(kinds=frozenset({"Image"}))).dangling == ()


@pytest.mark.parametrize(("held", "gone"), [(False, False), (True, True)])
def test_the_last_name_leaves_content_that_is_stood_on(held: bool, gone: bool) -> None:
    image = make("Image/b:latest", status={"id": B.id}, deleted_at=NOW)
    assert isinstance(image, Image)
    plan = plan_image(ImageDesired(image=image), ImageObserved(content=B, held=held), NOW)
    assert (plan.gone, bool(plan.actions)) == (gone, not held)


def test_another_managers_image_needs_force() -> None:
    other = make("Image/b:latest", status={"id": B.id}, manager="manifests:site")
    with pytest.raises(ManagedElsewhere):
        _remove("b", more=(other,))
    assert _remove("b", more=(other,), force=True).untagged == ("b:latest",)


DOCUMENT = b"""{"created": "2026-01-02T03:04:05.123456789Z", "author": "ann", "architecture": "arm64", "variant": "v8",
"os": "linux", "rootfs": {"type": "layers", "diff_ids": ["x", "y"]}, "config": {"Labels": {"a": "b"}}, "history": [
{"created": "2026-01-01T00:00:00+02:00", "created_by": "ADD", "comment": "c"},
{"created_by": "CMD", "empty_layer": true}, {"created_by": "RUN", "author": "bob"}]}"""


def test_a_document_is_read() -> None:
    document = parse_document(DOCUMENT)
    assert document.created_at == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert (document.author, document.architecture, document.variant) == ("ann", "arm64", "v8")
    assert (document.diff_ids, document.labels) == (("x", "y"), {"a": "b"})
    assert document.history[0].created_at == datetime(2025, 12, 31, 22, tzinfo=UTC)
    assert [each.empty_layer for each in document.history] == [False, True, False]


@pytest.mark.parametrize("content", [b"", b"[]", b"{"])
def test_what_is_no_document_is_told(content: bytes) -> None:
    with pytest.raises(Damaged):
        parse_document(content)


def test_odd_fields_of_a_document_are_left_out() -> None:
    odd = b'{"created": 5, "rootfs": [], "history": [null, {"created": "0001-01-01T00:00:00Z"}], "config": null, "os": 1}'
    assert parse_document(odd) == ImageDocument(history=(HistoryEntry(), HistoryEntry()))


@pytest.mark.parametrize(
    ("text", "found"), [("soon", None), ("", None), (None, None), ("2026-01-01", 1767225600.0)]
)
def test_moments(text: object, found: float | None) -> None:
    moment = parse_moment(text)
    assert (moment.timestamp() if moment else None) == found


@pytest.mark.parametrize(
    ("empty", "sizes", "aligned"),
    [
        ([False, True, False], [5, 7], [5, 0, 7]),
        ([], [5, 7], [5, 7]),
        ([False], [5, 7], [5, 7]),
        ([False, False, False], [5], [5, 0, 0]),
        ([True, True], [], [0, 0]),
    ],
)
def test_sizes_find_their_steps(empty: list[bool], sizes: list[int], aligned: list[int]) -> None:
    document = ImageDocument(history=tuple(HistoryEntry(empty_layer=each) for each in empty))
    steps = align_history(document, sizes)
    assert [step.size_bytes for step in steps] == aligned
    assert sum(step.size_bytes for step in steps) == sum(sizes)
