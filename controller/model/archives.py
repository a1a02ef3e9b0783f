"""Image archives: what was in one, what goes into one."""

from dataclasses import dataclass

from controller.model.facts import ImageFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedImage:
    """An image that an archive had, with the names that it had there, complete; none where it had none."""

    names: tuple[str, ...]
    facts: ImageFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedImage:
    """An image to be saved: one of its manifests, and the names that it gets in the archive, with their tags."""

    manifest_digest: str
    names: tuple[str, ...]
