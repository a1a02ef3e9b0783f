"""Volumes in admission: made for mounts, copied from others, kept from what they can't become."""

from collections.abc import Sequence

import pytest

from controller.errors import HoldError, InUse, Invalid, Unavailable
from controller.model.changes import Draft
from controller.model.ids import Key
from controller.model.volume import ANONYMOUS_LABEL, SNAPSHOT_LABEL, Volume, VolumeSpec
from controller.plan.admission import ApplyBatch, decide_apply, decide_delete
from tests.unit.admission_scenario import BASE, State, apply, container, draft, make_context, write

TMPFS = {"type": "tmpfs", "device": "tmpfs"}
MEMORY_MOUNT = {"type": "volume", "target": "/m", "driverOptions": TMPFS, "labels": {"a": "b"}}


def _volume(name: str, **fields: object) -> Draft:
    return draft(f"Volume/{name}", VolumeSpec.model_validate(fields))


def _snapshot(name: str) -> Draft:
    made = _volume(name, source={"volume": "data"})
    return Draft(key=made.key, spec=made.spec, labels={SNAPSHOT_LABEL: "data"}, annotations={})


def _find(state: State, name: str) -> Volume:
    found = state[Key("Volume", name)]
    assert isinstance(found, Volume)
    return found


WITH_SNAPSHOT = apply(BASE, _snapshot("snap"))

REFUSED: Sequence[tuple[str, Draft, type[HoldError], str]] = [
    ("copy of nothing", _volume("x", source={"volume": "dta"}), Invalid, "spec.source.volume: Volume/dta does not exist; did you mean data?"),
    ("copy of itself", _volume("x", source={"volume": "x"}), Invalid, "a volume can't be copied from itself"),
    ("another source", _volume("snap", source={"volume": "other"}), Invalid, "Volume/snap: spec.source: can't be changed"),
    ("options while in use", _volume("data", driverOptions=TMPFS), InUse, "Volume/data: spec.driverOptions: can't be changed while the volume is used by Container/web"),
    ("writing to a snapshot", container("x", mounts=["snap:/s"]), Invalid, "spec.mounts[0].readOnly: Volume/snap is a snapshot, which stays as it is"),
    ("other options", container("x", mounts=[{**MEMORY_MOUNT, "source": "data"}]), Invalid, "spec.mounts[0].driverOptions: Volume/data is there with other options"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "error", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused(wish: Draft, error: type[HoldError], message: str) -> None:
    with pytest.raises(error) as caught:
        apply(WITH_SNAPSHOT, wish)
    assert message in caught.value.message


def test_what_is_allowed() -> None:
    state = apply(WITH_SNAPSHOT, container("x", mounts=["snap:/s:ro"]), _volume("snap"), _volume("free"))
    state = apply(state, _volume("free", driverOptions=TMPFS))
    assert _find(state, "free").spec.driver_options == TMPFS


def test_a_source_can_go_once_the_copy_is_there() -> None:
    with pytest.raises(InUse, match="Volume/data: is used by Container/web, Volume/snap"):
        decide_delete(WITH_SNAPSHOT, [Key("Volume", "data")])
    there = _find(WITH_SNAPSHOT, "snap")
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    ready = Volume.model_validate({**there.model_dump(exclude={"status"}), "status": status})
    with pytest.raises(InUse, match="is used by Container/web: remove them first"):
        decide_delete({**WITH_SNAPSHOT, Key("Volume", "snap"): ready}, [Key("Volume", "data")])


def test_a_source_on_its_way_out_is_not_copied() -> None:
    state = write(BASE, decide_delete(BASE, [Key("Container", "web"), Key("Container", "back")]))
    state = {key: each for key, each in state.items() if key.kind != "Container"}
    state = write(state, decide_delete(state, [Key("Volume", "data")]))
    with pytest.raises(Unavailable, match="Volume/data is being deleted"):
        apply(state, _snapshot("x"))


def test_volumes_are_made_as_their_mounts_say() -> None:
    wish = container("x", mounts=[MEMORY_MOUNT, {**MEMORY_MOUNT, "source": "named", "target": "/n"}])
    state = write(BASE, decide_apply(BASE, ApplyBatch(drafts=(wish,), create_volumes=True), make_context()))
    named = _find(state, "named")
    assert (named.spec.driver_options, named.metadata.labels) == (TMPFS, {"a": "b"})
    made = [
        each
        for each in state.values()
        if isinstance(each, Volume) and ANONYMOUS_LABEL in each.metadata.labels
    ]
    assert [(each.spec.driver_options, each.metadata.labels["a"]) for each in made] == [(TMPFS, "b")]
