"""What nobody needs goes, in one decision; everything else stays."""

import zlib
from datetime import UTC, datetime, timedelta

import pytest

from controller.model.changes import Snapshot
from controller.model.container import Container
from controller.model.facts import ImageFacts
from controller.model.ids import Key, KindName
from controller.model.image import ImageConfig
from controller.model.kinds import RESOURCE_ADAPTER, Resource, key_of
from controller.plan.image_names import ImageIndex
from controller.plan.prune import LabelTest, PruneWish, decide_prune, is_done

NOW = datetime(2026, 1, 10, tzinfo=UTC)
ALL: frozenset[KindName] = frozenset({"Container", "Network", "Volume", "Image"})


def make_facts(digit: str, *, layers: tuple[str, ...] = ("layer",), **fields: object) -> ImageFacts:
    facts = ImageFacts(
        id=f"sha256:{digit * 64}",
        manifest_digest=f"sha256:{digit}{'0' * 63}",
        config=ImageConfig(labels={"stage": digit}),
        layers=layers,
        size_bytes=100,
        created_at=NOW.timestamp(),
    )
    return (
        facts
        if not fields
        else ImageFacts(**{**{name: getattr(facts, name) for name in facts.__slots__}, **fields})
    )


CONTENT = [make_facts("a"), make_facts("b"), make_facts("d")]
"""The last one has no name."""


def make(reference: str, **fields: object) -> Resource:
    """An object of the command line, ten days old; `fields` of metadata, `spec` and `status` replace what is usual."""
    kind, _, name = reference.partition("/")
    metadata = {
        "name": name,
        "uid": f"{zlib.crc32(reference.encode()):032x}",
        "manager": "cli",
        "generation": 1,
    }
    metadata |= {"created_at": NOW - timedelta(days=10)}
    spec = fields.pop("spec", None) or _SPECS[kind]
    status = {"observed_generation": 1, **(fields.pop("status", None) or {})}  # type: ignore[dict-item]
    return RESOURCE_ADAPTER.validate_python(
        {"kind": kind, "metadata": {**metadata, **fields}, "spec": spec, "status": status}
    )


_SPECS: dict[str, dict[str, object]] = {
    "Container": {"image": "a:1", "networks": [{"name": "shop"}], "mounts": ["data:/data"]},
    "Network": {},
    "Volume": {},
    "Image": {"source": {"directory": "/x"}},
}
ENDED = make("Container/ended", status={"phase": "Exited", "run": 1})
RUNNING = make("Container/running", status={"phase": "Running"})


def make_snapshot(*resources: Resource) -> Snapshot:
    usual = [
        make("Network/shop"),
        make("Network/bridge", manager="hold"),
        make("Volume/data"),
        make("Volume/nameless", manager="", labels={"hold.anonymous": "x"}),
        make("Image/a:1", status={"id": CONTENT[0].id}),
        make("Image/b:1", status={"id": CONTENT[1].id}),
    ]
    return {key_of(each): each for each in [*usual, *resources]}


def choose(snapshot: Snapshot, **wish: object) -> tuple[set[str], set[str]]:
    """Return what goes: keys, and the digits of content without a name."""
    fields = {"kinds": ALL, **wish}
    pruning = decide_prune(snapshot, ImageIndex(snapshot, CONTENT), PruneWish(**fields))  # type: ignore[arg-type]
    return set(map(str, pruning.keys)), {facts.id[7] for facts in pruning.dangling}


def test_what_only_a_removed_container_used_goes_with_it() -> None:
    everything = {"all_images": True, "all_volumes": True}
    gone, dangling = choose(make_snapshot(ENDED), **everything)
    assert gone == {
        *("Container/ended", "Network/shop", "Volume/data", "Volume/nameless", "Image/a:1", "Image/b:1"),
    }
    assert dangling == {"d"}
    gone, _ = choose(make_snapshot(ENDED, RUNNING), **everything)
    assert gone == {"Container/ended", "Volume/nameless", "Image/b:1"}


def test_names_are_kept_unless_told() -> None:
    assert choose(make_snapshot()) == ({"Network/shop", "Volume/nameless"}, {"d"})


def test_snapshots_are_kept_whatever_is_told() -> None:
    snapshot = make_snapshot(make("Volume/then", labels={"hold.snapshot-of": "data"}))
    gone, _ = choose(snapshot, kinds=frozenset({"Volume"}), all_volumes=True)
    assert gone == {"Volume/data", "Volume/nameless"}


@pytest.mark.parametrize(
    ("kind", "gone"),
    [
        ("Container", {"Container/ended"}),
        ("Network", set()),
        ("Volume", {"Volume/nameless"}),
        ("Image", set()),
    ],
)
def test_one_kind_alone_leaves_what_an_ended_container_names(kind: KindName, gone: set[str]) -> None:
    found, dangling = choose(make_snapshot(ENDED), kinds=frozenset({kind}))
    assert found == gone
    assert dangling == ({"d"} if kind == "Image" else set())


def test_a_container_that_another_names_stays() -> None:
    other = make(
        "Container/other",
        spec={"rootfs": "/r", "networkMode": "container:ended"},
        status={"phase": "Running"},
    )
    assert choose(make_snapshot(ENDED, other))[0] == {"Volume/nameless"}
    done = make(
        "Container/other", spec={"rootfs": "/r", "networkMode": "container:ended"}, status={"phase": "Exited"}
    )
    assert {"Container/ended", "Container/other"} <= choose(make_snapshot(ENDED, done))[0]


@pytest.mark.parametrize("fields", [{"manager": "manifests:site"}, {"deleted_at": NOW}])
def test_what_others_declare_and_what_goes_anyway_stays(fields: dict[str, object]) -> None:
    other = make("Container/ended", status={"phase": "Exited"}, **fields)
    assert choose(make_snapshot(other), kinds=frozenset({"Container"}))[0] == set()


@pytest.mark.parametrize(
    ("wish", "gone", "dangling"),
    [
        ({"until": NOW - timedelta(days=9)}, {"Network/shop"}, set()),
        ({"until": NOW + timedelta(days=1)}, {"Network/shop", "Image/a:1", "Image/b:1"}, {"d"}),
        ({"until": NOW - timedelta(days=11)}, set(), set()),
        ({"labels": (LabelTest(name="stage"),)}, {"Image/a:1", "Image/b:1"}, {"d"}),
        ({"labels": (LabelTest(name="stage", value="b"),)}, {"Image/b:1"}, set()),
        ({"labels": (LabelTest(name="stage", negated=True),)}, {"Network/shop"}, set()),
        (
            {"labels": (LabelTest(name="stage", value="b", negated=True),)},
            {"Network/shop", "Image/a:1"},
            {"d"},
        ),
    ],
)
def test_filters(wish: dict[str, object], gone: set[str], dangling: set[str]) -> None:
    """Images have the time and the labels of their content."""
    kinds: frozenset[KindName] = frozenset({"Network", "Image"})
    assert choose(make_snapshot(), kinds=kinds, all_images=True, **wish) == (gone, dangling)


@pytest.mark.parametrize(
    ("phase", "spec", "done"),
    [
        ("Exited", {}, True),
        ("Exited", {"desired": "stopped"}, True),
        ("Pending", {"desired": "stopped"}, True),
        ("Pending", {}, False),
        ("Failed", {}, True),
        ("Failed", {"restart": "always"}, False),
        ("Failed", {"restart": "always", "desired": "stopped"}, True),
        ("Running", {}, False),
        ("Stopping", {"desired": "stopped"}, False),
        ("Paused", {}, False),
    ],
)
def test_only_what_stays_ended_is_done(phase: str, spec: dict[str, object], done: bool) -> None:
    container = make("Container/x", spec={"rootfs": "/r", **spec}, status={"phase": phase})
    assert isinstance(container, Container)
    assert is_done(container) is done


def test_a_container_that_was_just_told_to_start_is_not_done() -> None:
    container = make("Container/x", status={"phase": "Exited"}, generation=2)
    assert isinstance(container, Container)
    assert not is_done(container)


def test_the_decision_only_deletes() -> None:
    snapshot = make_snapshot(ENDED)
    pruning = decide_prune(snapshot, ImageIndex(snapshot, CONTENT), PruneWish(kinds=ALL))
    assert {write.key for write in pruning.decision.writes if hasattr(write, "key")} == set(pruning.keys)
    assert Key("Container", "ended") in pruning.keys
