"""Images that containers name: who declares them, who pulled them, who wants the newest."""

import pytest

from controller.errors import Conflict, Invalid
from controller.model.changes import Draft, Verb
from controller.model.container import ContainerAssigned, ContainerSpec
from controller.model.ids import Key
from controller.model.image import Image, ImageAssigned, ImageSpec
from controller.plan.admission import ApplyBatch, decide_apply, decide_delete
from tests.unit.admission_scenario import (
    BASE,
    State,
    apply,
    assigned_of,
    container,
    draft,
    make_context,
    write,
)

DIGEST = "sha256:" + "ab" * 32


def registry_image(name: str, reference: str, **source: object) -> Draft:
    spec = ImageSpec.model_validate({"source": {"registry": reference, **source}})
    return draft(f"Image/{name}", spec)


def image_of(state: State, name: str) -> Image:
    found = state[Key("Image", name)]
    assert isinstance(found, Image)
    return found


def assigned_to(state: State, name: str) -> ImageAssigned:
    assigned = image_of(state, name).assigned
    assert assigned is not None
    return assigned


def test_an_image_that_nobody_declares_is_made_with_its_container() -> None:
    batch = ApplyBatch(
        drafts=(container("x", image="docker.io/library/new"),), manager="manifests:shop", prune=True
    )
    decision = decide_apply(BASE, batch, make_context())
    state = write(BASE, decision)
    image = image_of(state, "new:latest")
    assert (image.spec.source.registry, image.metadata.manager) == ("new:latest", "")
    assert [outcome.key.name for outcome in decision.outcomes if outcome.verb is Verb.CREATE] == [
        "x",
        "new:latest",
    ]
    again = decide_apply(state, batch, make_context("other"))
    assert {outcome.verb for outcome in again.outcomes} == {Verb.UNCHANGED}


def test_an_image_that_is_mounted_is_one_that_is_named() -> None:
    mount = {"type": "image", "source": "docker.io/library/tools", "target": "/t"}
    state = apply(BASE, container("x", mounts=[mount]))
    spec = state[Key("Container", "x")].spec
    assert isinstance(spec, ContainerSpec)
    assert (spec.mounts[0].source, spec.mounts[0].read_only) == ("tools:latest", True)
    assert image_of(state, "tools:latest").spec.source.registry == "tools:latest"
    with pytest.raises(Conflict, match="is used by Container/x"):
        decide_delete(state, (Key("Image", "tools:latest"),))
    without = ApplyBatch(drafts=(container("y", mounts=[{**mount, "source": "other"}]),), create_images=False)
    with pytest.raises(Invalid, match=r"spec\.mounts\[0\]\.source"):
        decide_apply(state, without, make_context())


def test_it_can_be_declared_later_by_anybody() -> None:
    state = apply(BASE, container("x", image="reg.example/new:1"))
    drafts = (registry_image("reg.example/new:1", "mirror.example/new:1"),)
    decision = decide_apply(state, ApplyBatch(drafts=drafts, manager="manifests:shop"), make_context())
    assert [outcome.verb for outcome in decision.outcomes] == [Verb.UPDATE]
    assert image_of(write(state, decision), "reg.example/new:1").metadata.manager == "manifests:shop"


def test_nothing_is_made_for_a_container_that_never_pulls() -> None:
    with pytest.raises(Invalid, match="Image/new:latest does not exist"):
        apply(BASE, container("x", image="new", pullPolicy="never"))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"registry": "Shop"}, "lower-case"),
        ({"registry": "shop", "platform": "linux"}, "lacks the architecture"),
        ({"archive": "/a.tar", "platform": "linux/arm64"}, "platform goes with registry"),
        ({"registry": "shop", "archive": "/a.tar"}, "exactly one of"),
    ],
)
def test_a_source_that_is_none_is_refused(source: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ImageSpec.model_validate({"source": source})


def test_what_was_pulled_is_desired_until_the_source_changes() -> None:
    drafts = (registry_image("shop:1", "shop:1"),)
    batch = ApplyBatch(drafts=drafts, pulled={Key("Image", "shop:1"): DIGEST})
    state = write(BASE, decide_apply(BASE, batch, make_context()))
    assert assigned_to(state, "shop:1").manifest == DIGEST
    assert assigned_to(apply(state, *drafts), "shop:1").manifest == DIGEST
    other = apply(state, registry_image("shop:1", "shop:2"))
    assert assigned_to(other, "shop:1").manifest == ""


def test_a_container_that_always_pulls_asks_for_the_newest_when_it_is_made_anew() -> None:
    pulled = {Key("Image", "shop:1"): DIGEST}
    batch = ApplyBatch(drafts=(registry_image("shop:1", "shop:1"),), pulled=pulled)
    state = write(BASE, decide_apply(BASE, batch, make_context()))
    state = apply(state, container("x", image="shop:1", pullPolicy="always"))
    assert assigned_to(state, "shop:1") == ImageAssigned(pull=1)
    assert assigned_of(state, "x").pull == 1
    limited = apply(state, container("x", image="shop:1", pullPolicy="always", resources={"pids": 9}))
    assert (assigned_to(limited, "shop:1").pull, assigned_of(limited, "x").pull) == (1, 1)
    changed = apply(state, container("x", image="shop:1", pullPolicy="always", command=["other"]))
    assert (assigned_to(changed, "shop:1").pull, assigned_of(changed, "x").pull) == (2, 2)
    beside = apply(changed, container("y", image="shop:1"))
    assert (assigned_to(beside, "shop:1").pull, assigned_of(beside, "y").pull) == (2, 0)


def test_an_image_from_an_archive_is_not_pulled() -> None:
    state = apply(BASE, container("x", pullPolicy="always"))
    assert assigned_to(state, "a:latest") == ImageAssigned()
    assert assigned_of(state, "x") == ContainerAssigned(networks=assigned_of(state, "x").networks)


@pytest.mark.parametrize("name", ["X:1", "a:b:c", "a b", "-a", "a//b", "a:" + "t" * 129])
def test_an_image_has_a_name_that_it_can_be_asked_for_by(name: str) -> None:
    with pytest.raises(Invalid, match=r"metadata\.name"):
        apply(BASE, registry_image(name, "new:1"))
