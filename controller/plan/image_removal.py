"""What a wish to remove images by names and ids comes to."""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.errors import Conflict, NotFound, Violation
from controller.model.changes import Decision, Snapshot
from controller.model.ids import Key
from controller.plan.admission import CLI_MANAGER, decide_delete
from controller.plan.image_names import ImageIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRemoval:
    """Names that go, ids whose content goes with the last of them, and content that had no name at all."""

    decision: Decision
    untagged: tuple[str, ...]
    deleted: tuple[str, ...]
    dangling: tuple[str, ...]


def decide_image_removal(
    snapshot: Snapshot,
    index: ImageIndex,
    words: Sequence[str],
    *,
    manager: str = CLI_MANAGER,
    force: bool = False,
) -> ImageRemoval:
    """Return what goes: a name alone, or by its id content with its only name; with `force` with all its names.

    NotFound and Conflict name every word that means nothing, or content with several names. InUse names containers.
    """
    names: dict[str, None] = {}
    ids: dict[str, None] = {}
    violations: list[Violation] = []
    for word in words:
        try:
            match = index.find(word)
        except NotFound as error:
            violations.append(Violation(field="", message=error.message))
            continue
        if match.name:
            names[match.name] = None
        elif len(match.names) > 1 and not force:
            told = ", ".join(match.names)
            message = f"image {word} has several names: remove {told} by name, or use force"
            violations.append(Violation(field="", message=message))
        else:
            names.update(dict.fromkeys(match.names))
        ids[match.image_id] = None
    if violations:
        missing = all("does not exist" in each.message for each in violations)
        kind = NotFound if missing else Conflict
        raise kind("; ".join(map(str, violations)), violations=violations)
    decision = decide_delete(snapshot, [Key("Image", name) for name in names], manager=manager, force=force)
    gone = [image_id for image_id in ids if image_id and names.keys() >= set(index.list_names(image_id))]
    return ImageRemoval(
        decision=decision,
        untagged=tuple(names),
        deleted=tuple(gone),
        dangling=tuple(image_id for image_id in gone if not index.list_names(image_id)),
    )
