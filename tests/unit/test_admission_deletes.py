"""What deleting comes to."""

import pytest

from controller.errors import (
    InUse,
    ManagedElsewhere,
    NotFound,
)
from controller.model.changes import MarkDeleted, Put, Verb
from controller.model.container import Container
from controller.model.ids import Key
from controller.model.resource import OwnerReference
from controller.plan.admission import (
    decide_delete,
)
from tests.unit.admission_scenario import BASE, apply, container, write


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["Network/n"], "Network/n: is used by Container/back, Container/web: remove them first"),
        (["Volume/data"], "Volume/data: is used by Container/web"),
        (["Image/a"], "Image/a:latest: is used by Container/back, Container/web"),
        (["Container/web"], "Container/web: is used by Container/back"),
    ],
)
def test_what_is_used_is_not_deleted(keys: list[str], message: str) -> None:
    with pytest.raises(InUse) as caught:
        decide_delete(BASE, [draft_key(text) for text in keys])
    assert message in caught.value.message


def draft_key(text: str) -> Key:
    kind, _, name = text.partition("/")
    return next(Key(known.kind, name) for known in BASE if known.kind == kind)


def test_cascade_takes_the_users_along() -> None:
    decision = decide_delete(BASE, [Key("Network", "n")], cascade=True)
    assert [each.key.name for each in decision.writes if isinstance(each, MarkDeleted)] == [
        "back",
        "web",
        "n",
    ]


def test_deleting_needs_the_object_and_its_manager() -> None:
    with pytest.raises(NotFound, match="Container/wab: does not exist; did you mean web"):
        decide_delete(BASE, [Key("Container", "wab")])
    with pytest.raises(ManagedElsewhere):
        decide_delete(BASE, [Key("Container", "back")], manager="shop")
    assert decide_delete(BASE, [Key("Container", "back")], manager="shop", force=True).writes


def test_deleting_again_is_unchanged() -> None:
    state = write(BASE, decide_delete(BASE, [Key("Container", "back")]))
    decision = decide_delete(state, [Key("Container", "back")])
    assert (decision.outcomes[0].verb, decision.writes) == (Verb.UNCHANGED, ())


def test_children_follow_their_owner() -> None:
    state = apply(BASE, container("child"))
    owner = OwnerReference(
        kind="Container", name="back", uid=BASE[Key("Container", "back")].metadata.uid or ""
    )
    child = state[Key("Container", "child")]
    metadata = child.metadata.model_copy(update={"owner": owner})
    state[Key("Container", "child")] = child.model_copy(update={"metadata": metadata})
    decision = decide_delete(state, [Key("Container", "back")])
    assert [outcome.key.name for outcome in decision.outcomes] == ["back", "child"]


def test_a_grace_period_is_written_before_the_deletion() -> None:
    decision = decide_delete(BASE, [Key("Container", "back")], grace_period_s=1.5)
    put, mark = decision.writes
    assert isinstance(put, Put)
    assert isinstance(put.resource, Container)
    assert put.resource.spec.stop_grace_period_s == 1.5
    assert mark == MarkDeleted(key=Key("Container", "back"))
