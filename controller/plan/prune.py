"""What a wish to remove all that nobody needs comes to, decided whole."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.model.changes import Decision, Snapshot
from controller.model.container import Container, DesiredState, Phase
from controller.model.facts import ImageFacts
from controller.model.ids import Key, KindName
from controller.model.image import Image
from controller.model.kinds import Resource
from controller.model.volume import ANONYMOUS_LABEL, SNAPSHOT_LABEL, Volume
from controller.plan.admission import CLI_MANAGER, decide_delete
from controller.plan.admission.references import list_uses
from controller.plan.image_names import ImageIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTest:
    """A label that has to be there (with the value, if one is given), or must not be."""

    name: str
    value: str | None = None
    negated: bool = False

    def passes(self, labels: Iterable[tuple[str, str]]) -> bool:
        """Tell whether labels pass."""
        found = any(name == self.name and self.value in (None, value) for name, value in labels)
        return found is not self.negated


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneWish:
    """What may go: unused objects of these kinds that `manager` or nobody declares, made before `until`, with such labels.

    Images with names only go with `all_images`, volumes that somebody named only with `all_volumes`,
    snapshots never.
    """

    kinds: frozenset[KindName]
    all_images: bool = False
    all_volumes: bool = False
    until: datetime | None = None
    labels: tuple[LabelTest, ...] = ()
    manager: str = CLI_MANAGER


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Objects that go, and content that no name stands for."""

    decision: Decision
    keys: tuple[Key, ...]
    dangling: tuple[ImageFacts, ...]


def decide_prune(snapshot: Snapshot, index: ImageIndex, wish: PruneWish) -> Pruning:
    """Return what goes: what is done with, and what nothing that stays uses.

    What a container that goes used goes with it. An image's content may go only by itself: names and dangling content
    are different things, and both are of the kind Image.
    """
    leaving = {key for key, resource in snapshot.items() if _may_go(resource, index, wish)}
    while used := leaving & _list_needed(snapshot, leaving):
        leaving -= used
    decision = decide_delete(snapshot, sorted(leaving), manager=wish.manager)
    dangling = index.list_dangling() if "Image" in wish.kinds else ()
    return Pruning(
        decision=decision,
        keys=tuple(outcome.key for outcome in decision.outcomes),
        dangling=tuple(
            facts for facts in dangling if _passes_content(facts, wish) and not index.list_holders(facts)
        ),
    )


def _list_needed(snapshot: Snapshot, leaving: Collection[Key]) -> set[Key]:
    """Return what is used by objects that are not among the leaving."""
    return {used for key, resource in snapshot.items() if key not in leaving for used in list_uses(resource)}


def _may_go(resource: Resource, index: ImageIndex, wish: PruneWish) -> bool:
    """Tell whether an object may go as far as itself is concerned."""
    metadata = resource.metadata
    if resource.kind not in wish.kinds or metadata.deleted_at is not None:
        return False
    if metadata.manager not in ("", wish.manager) or metadata.owner is not None:
        return False
    labels, created_at = dict(metadata.labels), metadata.created_at
    match resource:
        case Container():
            is_free = is_done(resource)
        case Volume():
            named = ANONYMOUS_LABEL not in metadata.labels
            is_free = SNAPSHOT_LABEL not in metadata.labels and (wish.all_volumes or not named)
        case Image():
            is_free = wish.all_images
            facts = index.contents.get(index.ids[metadata.name])
            labels = {**(facts.config.labels if facts else {}), **labels}
            if facts is not None and facts.created_at is not None:
                created_at = datetime.fromtimestamp(facts.created_at, UTC)
        case _:
            is_free = True
    return is_free and _passes(wish, labels.items(), created_at)


def _passes(wish: PruneWish, labels: Iterable[tuple[str, str]], created_at: datetime | None) -> bool:
    pairs = tuple(labels)
    is_old = wish.until is None or (created_at is not None and created_at < wish.until)
    return is_old and all(test.passes(pairs) for test in wish.labels)


def _passes_content(facts: ImageFacts, wish: PruneWish) -> bool:
    """Tell whether dangling content passes; content that says no time is as old as can be."""
    created_at = datetime.fromtimestamp(facts.created_at or 0, UTC)
    return _passes(wish, facts.config.labels.items(), created_at)


def is_done(container: Container) -> bool:
    """Tell whether a container has ended, or never began, and nothing but a person will start it.

    A status that does not speak of the present spec tells nothing: a start may have been asked for.
    """
    if container.status.observed_generation < container.metadata.generation:
        return False
    spec, phase = container.spec, container.status.phase
    stays = spec.desired is DesiredState.STOPPED or (phase is Phase.FAILED and spec.restart.name == "no")
    return phase is Phase.EXITED or (stays and phase in (Phase.PENDING, Phase.FAILED))
