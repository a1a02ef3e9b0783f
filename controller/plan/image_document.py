"""What the configuration document of an image says besides the defaults: when, by whom, in which steps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.errors import Damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One step of a build (OCI image specification, history). A step without a layer has `empty_layer`."""

    created_at: datetime | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDocument:
    """A configuration document; history and diff ids lowest first. What it does not say is None or empty."""

    created_at: datetime | None = None
    author: str = ""
    comment: str = ""
    architecture: str = ""
    variant: str = ""
    os: str = ""
    diff_ids: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStep:
    """A step of a build with the bytes of its layer, 0 without one."""

    entry: HistoryEntry
    size_bytes: int


def parse_document(content: bytes) -> ImageDocument:
    """Return what a configuration document says; Damaged when it is none."""
    try:
        fields = json.loads(content)
    except ValueError as error:
        raise Damaged(f"the configuration of an image is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Damaged("the configuration of an image is no object")
    roots, config = _as_mapping(fields.get("rootfs")), _as_mapping(fields.get("config"))
    return ImageDocument(
        created_at=parse_moment(fields.get("created")),
        author=_as_text(fields.get("author")),
        comment=_as_text(fields.get("comment")),
        architecture=_as_text(fields.get("architecture")),
        variant=_as_text(fields.get("variant")),
        os=_as_text(fields.get("os")),
        diff_ids=tuple(map(_as_text, _as_list(roots.get("diff_ids")))),
        history=tuple(_parse_entry(_as_mapping(each)) for each in _as_list(fields.get("history"))),
        labels={str(name): _as_text(text) for name, text in _as_mapping(config.get("Labels")).items()},
    )


def _parse_entry(fields: Mapping[str, object]) -> HistoryEntry:
    return HistoryEntry(
        created_at=parse_moment(fields.get("created")),
        created_by=_as_text(fields.get("created_by")),
        author=_as_text(fields.get("author")),
        comment=_as_text(fields.get("comment")),
        empty_layer=fields.get("empty_layer") is True,
    )


def parse_moment(value: object) -> datetime | None:
    """Return the time of an RFC 3339 text; None for anything else and for the year 1, which stands for no time."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None if moment.year <= 1 else moment.astimezone(UTC)


def align_history(document: ImageDocument, layer_sizes: Sequence[int]) -> tuple[HistoryStep, ...]:
    """Return the steps with the sizes of their layers, lowest first.

    `layer_sizes` are bytes, lowest first. Layers that no step accounts for are steps without a text, so that the sum of
    all sizes is always that of the layers.
    """
    waiting = list(reversed(layer_sizes))
    steps = []
    for entry in document.history:
        has_layer = not entry.empty_layer and bool(waiting)
        steps.append(HistoryStep(entry=entry, size_bytes=waiting.pop() if has_layer else 0))
    unexplained = HistoryEntry(created_at=document.created_at)
    steps += [HistoryStep(entry=unexplained, size_bytes=size) for size in reversed(waiting)]
    return tuple(steps)


def _as_mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _as_list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else ""
