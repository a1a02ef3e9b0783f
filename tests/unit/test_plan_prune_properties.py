"""Whatever there is: pruning takes nothing that is used, all that is not, and no more the second time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.changes import Snapshot
from controller.model.container import Container
from controller.model.ids import Key
from controller.model.kinds import Resource, key_of
from controller.plan.admission.references import list_uses
from controller.plan.image_names import ImageIndex
from controller.plan.prune import PruneWish, decide_prune, is_done
from tests.unit.test_plan_prune import ALL, CONTENT, make

NAMES = ("a", "b", "c")
_MANAGERS = st.sampled_from(["cli", "cli", "cli", "", "manifests:site"])


@st.composite
def make_snapshots(draw: st.DrawFn) -> Snapshot:
    """Three of each kind; containers use some of them, and some another container's network."""
    resources: list[Resource] = []
    for index, name in enumerate(NAMES):
        resources += [
            make(f"Network/{name}", manager=draw(_MANAGERS)),
            make(f"Volume/{name}", manager=draw(_MANAGERS)),
            make(f"Image/{name}:latest", manager=draw(_MANAGERS), status={"id": CONTENT[index].id}),
        ]
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        peer = draw(st.sampled_from([None, *(each for each in NAMES if each < name)]))
        network = draw(st.sampled_from(NAMES))
        spec: dict[str, object] = {"image": f"{draw(st.sampled_from(NAMES))}:latest"}
        spec |= {"networkMode": f"container:{peer}"} if peer else {"networks": [network]}
        spec["mounts"] = [f"{volume}:/{volume}" for volume in draw(st.sets(st.sampled_from(NAMES)))]
        phase = draw(st.sampled_from(["Running", "Exited", "Failed", "Pending"]))
        resources.append(
            make(f"Container/{name}", spec=spec, manager=draw(_MANAGERS), status={"phase": phase})
        )
    return {key_of(each): each for each in resources}


def _choose(snapshot: Snapshot) -> set[Key]:
    wish = PruneWish(kinds=ALL, all_images=True, all_volumes=True)
    return set(decide_prune(snapshot, ImageIndex(snapshot, CONTENT), wish).keys)


@given(make_snapshots())
@settings(max_examples=100, deadline=None)
def test_pruning(snapshot: Snapshot) -> None:
    gone = _choose(snapshot)
    left = {key: resource for key, resource in snapshot.items() if key not in gone}
    used = {used for resource in left.values() for used in list_uses(resource)}
    assert gone.isdisjoint(used)
    assert {snapshot[key].metadata.manager for key in gone} <= {"cli", ""}
    assert all(is_done(each) for key in gone if isinstance(each := snapshot[key], Container))
    assert _choose(left) == set()
    free = {key for key in left if key.kind != "Container" and key not in used}
    assert {snapshot[key].metadata.manager for key in free} <= {"manifests:site"}
