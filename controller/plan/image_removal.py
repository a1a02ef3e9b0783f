"""What a wish to remove images by names and ids comes to."""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.errors import Conflict, HoldError, InUse, Violation
from controller.model.changes import Decision, Snapshot
from controller.model.ids import Key
from controller.plan.admission import CLI_MANAGER, decide_delete
from controller.plan.image_names import ImageIndex, ImageMatch


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

    The error tells of every word that means nothing, or content with several names. InUse names containers.
    """
    names: dict[str, None] = {}
    ids: dict[str, None] = {}
    errors: list[HoldError] = []
    for word in words:
        try:
            match = index.find(word)
            names.update(dict.fromkeys(_choose_names(index, match, word, force=force)))
            ids[match.image_id] = None
        except HoldError as error:
            errors.append(error)
    if errors:
        kinds = {type(error) for error in errors}
        violations = [Violation(field="", message=error.message) for error in errors]
        raise (kinds.pop() if len(kinds) == 1 else Conflict)(
            "; ".join(map(str, violations)), violations=violations
        )
    decision = decide_delete(snapshot, [Key("Image", name) for name in names], manager=manager, force=force)
    dangling = tuple(image_id for image_id in ids if image_id and not index.list_names(image_id))
    return ImageRemoval(
        decision=decision,
        untagged=tuple(names),
        deleted=(*index.list_unneeded(names), *dangling),
        dangling=dangling,
    )


def _choose_names(index: ImageIndex, match: ImageMatch, word: str, *, force: bool) -> tuple[str, ...]:
    """Return the names that a word asks to remove."""
    if match.name:
        return (match.name,)
    if len(match.names) > 1 and not force:
        told = ", ".join(match.names)
        raise Conflict(f"image {word} has several names: remove {told} by name, or use force")
    holders = index.list_holders(index.contents[match.image_id]) if not match.names else ()
    if holders:
        raise InUse(
            f"image {word} is what Container/{', Container/'.join(holders)} stands on: remove it first"
        )
    return match.names
