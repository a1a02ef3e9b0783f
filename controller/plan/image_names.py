"""Which image a word means: a name, a digest in a repository, or the beginning of an id."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from controller.errors import Invalid, NotFound
from controller.model.changes import Snapshot
from controller.model.container import Container
from controller.model.facts import ImageFacts
from controller.model.ids import Uid
from controller.model.image import Image, complete_image_name
from controller.model.image_reference import parse_reference
from controller.model.kinds import Resource
from controller.plan.admission.findings import suggest

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")
_DIGEST = re.compile(r"(?P<repository>.+)@(?P<digest>sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMatch:
    """What a word was found to mean.

    `image_id` is the digest of the configuration, empty while the content is not there. `names` are all Image objects
    that stand for the content, none when it is dangling. `name` is the one that the word spells, empty when it is an id.
    """

    image_id: str
    names: tuple[str, ...]
    name: str = ""


class ImageIndex:
    """Images of a snapshot with the content of the store: which names stand for which content.

    `roots` are the containers whose mounted roots stand on a layer, by its chain id.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        contents: Iterable[ImageFacts],
        roots: Mapping[str, Collection[Uid]] = MappingProxyType({}),
    ) -> None:
        self._roots = roots
        containers = sorted(each for each in snapshot.items() if each[0].kind == "Container")
        self._containers = {resource.metadata.uid: key.name for key, resource in containers}
        self._users = _index_users(resource for _, resource in containers)
        self.contents: Mapping[str, ImageFacts] = {facts.id: facts for facts in contents}
        self.images = {
            key.name: resource
            for key, resource in sorted(snapshot.items())
            if isinstance(resource, Image) and resource.metadata.deleted_at is None
        }
        by_digest = {facts.manifest_digest: facts.id for facts in self.contents.values()}
        self.ids = {name: _find_id(image, by_digest) for name, image in self.images.items()}
        self._names: dict[str, tuple[str, ...]] = {}
        for name, image_id in self.ids.items():
            self._names[image_id] = (*self._names.get(image_id, ()), name)

    def list_names(self, image_id: str) -> tuple[str, ...]:
        """Return the names that stand for content."""
        return self._names.get(image_id, ())

    def list_users(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the containers that name one of these images."""
        return tuple(user for name in names for user in self._users.get(name, ()))

    def list_dangling(self) -> tuple[ImageFacts, ...]:
        """Return content that no name stands for."""
        named = set(self.ids.values())
        return tuple(facts for image_id, facts in sorted(self.contents.items()) if image_id not in named)

    def list_unneeded(self, leaving: Collection[str]) -> tuple[str, ...]:
        """Return the ids of content that goes when these names do: no other name stands for it, no root on it."""
        ids = dict.fromkeys(self.ids[name] for name in leaving if self.ids.get(name) in self.contents)
        return tuple(
            image_id
            for image_id in ids
            if set(leaving) >= set(self.list_names(image_id))
            and not self.list_holders(self.contents[image_id])
        )

    def list_holders(self, facts: ImageFacts) -> tuple[str, ...]:
        """Return the containers that stand on the whole of an image, whatever it is called by now."""
        uids = self._roots.get(facts.layers[-1], ()) if facts.layers else ()
        return tuple(sorted(self._containers.get(uid, uid) for uid in uids))

    def find(self, word: str) -> ImageMatch:
        """Return what a word means; NotFound when nothing, Invalid when it is the beginning of several ids."""
        name = complete_image_name(word)
        if name in self.images:
            return self._match(self.ids[name], name)
        by_digest = self._find_digest(word)
        if by_digest is not None:
            return by_digest
        match = _ID.fullmatch(word)
        found = [each for each in self._list_ids() if match and each.startswith(f"sha256:{match[1]}")]
        if len(found) > 1:
            raise Invalid(f"{word} is the beginning of the ids of {len(found)} images: give more of it")
        if found:
            return self._match(found[0], "")
        near = suggest(name, self.images) or ": `hold images` lists those that do"
        raise NotFound(f"image {word} does not exist{near}")

    def _find_digest(self, word: str) -> ImageMatch | None:
        """Return the image of a repository that has the digest."""
        match = _DIGEST.fullmatch(word)
        if match is None:
            return None
        wanted = _derive_repository(match["repository"])
        for name, image in self.images.items():
            if image.status.digest == match["digest"] and _derive_repository(name) == wanted:
                return self._match(self.ids[name], name)
        return None

    def _list_ids(self) -> list[str]:
        return sorted({*self.contents, *filter(None, self.ids.values())})

    def _match(self, image_id: str, name: str) -> ImageMatch:
        names = self.list_names(image_id) if image_id else (name,)
        return ImageMatch(image_id=image_id, names=names, name=name)


def _find_id(image: Image, by_digest: Mapping[str, str]) -> str:
    """Return the content that an image stands for; one that has had no turn yet may name content that is there."""
    stored = image.spec.source.stored
    if stored is not None:
        return by_digest.get(stored, stored if stored in by_digest.values() else image.status.id)
    return image.status.id


def _derive_repository(name: str) -> str:
    try:
        return parse_reference(name).familiar_name
    except ValueError:
        return name.rpartition("@")[0] or name.rpartition(":")[0] or name


def derive_repository_digest(image: Image) -> str:
    """Return `NAME@DIGEST`, empty while the digest is not known."""
    if not image.status.digest:
        return ""
    return f"{_derive_repository(image.metadata.name)}@{image.status.digest}"


def _index_users(containers: Iterable[Resource]) -> dict[str, tuple[str, ...]]:
    """Return the names of the containers by the image that each names."""
    users: dict[str, tuple[str, ...]] = {}
    for container in containers:
        if isinstance(container, Container):
            for name in container.spec.list_images():
                users[name] = (*users.get(name, ()), container.metadata.name)
    return users
