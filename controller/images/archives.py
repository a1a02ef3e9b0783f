"""Takes in image archives: what `docker save`, `podman save`, `skopeo` and hold write."""

import hashlib
import platform as machine
from collections.abc import AsyncIterator
from pathlib import Path

from controller.errors import HoldError, Invalid, NotFound
from controller.images.archive_index import ArchivedImage, read_archive
from controller.images.descriptors import OCI_LAYER, Descriptor
from controller.images.documents import derive_chain_ids, parse_config, render_manifest
from controller.images.files import derive_partial, in_thread
from controller.images.packing import derive_suffix, read_magic
from controller.images.parts import StoreParts
from controller.images.target import ImageTarget
from controller.images.together import run_together
from controller.model.archives import LoadedImage
from controller.model.facts import ImageFacts
from controller.model.image_reference import parse_reference
from controller.model.platforms import make_platform

_ABOUT = "an image archive can't be read"


class Archives:
    """Loads archives; whatever an archive says is checked as if a stranger had said it."""

    def __init__(self, store: ImageTarget, parts: StoreParts) -> None:
        self._store = store
        self._unpacker = parts.unpacker
        self._settling = parts.settling
        self._trash = parts.trash
        self._uploads_path = parts.uploads_path

    async def load(self, chunks: AsyncIterator[bytes], *, about: str) -> tuple[LoadedImage, ...]:
        """Take in all images of an archive that comes in pieces, packed or not. Durable when it returns.

        What `chunks` raises passes through. Invalid when it is no image archive, or one of its images is damaged: then
        none of them is there, but for those that were before.
        """
        scratch_path = derive_partial(self._uploads_path / "archive")
        try:
            await in_thread(_ABOUT, lambda: scratch_path.mkdir(mode=0o700))
            async with self._unpacker.unpacking(str(scratch_path), about=about) as unpacking:
                async for chunk in chunks:
                    await unpacking.feed(chunk)
                await unpacking.finish()
            return await self.load_directory(scratch_path, about=about)
        finally:
            await self._trash.throw_soon(scratch_path)

    async def load_directory(
        self, root_path: Path, *, about: str, wanted: str = ""
    ) -> tuple[LoadedImage, ...]:
        """Take in the images of an unpacked archive, whose files are moved; of several only the `wanted` one, if given."""
        own = make_platform("linux", machine.machine())
        try:
            images = await in_thread(_ABOUT, lambda: read_archive(root_path, own))
            if wanted:
                images = (_choose(images, wanted),)
            names = [_complete(image) for image in images]
            # Images may share files, and putting one in moves them.
            layers = [await self._describe(image) for image in images]
            with self._store.lease():
                contents = [await self._put(*pair) for pair in zip(images, layers, strict=True)]
        except HoldError as error:
            raise type(error)(f"{about} {error.message}") from error
        await self._settling.settle()
        return tuple(
            LoadedImage(names=each, facts=facts) for each, facts in zip(names, contents, strict=True)
        )

    async def _put(self, image: ArchivedImage, descriptors: tuple[Descriptor, ...]) -> ImageFacts:
        diff_ids = parse_config(image.config).diff_ids
        chain_ids = derive_chain_ids(diff_ids)
        await run_together(
            self._put_layer(*layer)
            for layer in zip(descriptors, diff_ids, chain_ids, image.layers, strict=True)
        )
        manifest = image.manifest or render_manifest(image.config, descriptors)
        return await self._store.put_image(manifest, image.config)

    async def _put_layer(self, descriptor: Descriptor, diff_id: str, chain_id: str, path: Path) -> None:
        if self._store.layers.has(chain_id) and self._store.blobs.has(descriptor.digest):
            return
        await self._store.layers.adopt(descriptor, diff_id=diff_id, chain_id=chain_id, path=path)

    async def _describe(self, image: ArchivedImage) -> tuple[Descriptor, ...]:
        """Return what the layers of an image are; the manifest of a Docker archive does not say. Invalid."""
        diff_ids = parse_config(image.config).diff_ids
        if len(diff_ids) != len(image.layers):
            raise Invalid(
                f"has an image of {len(image.layers)} layers whose configuration says {len(diff_ids)}"
            )
        pairs = tuple(zip(image.layers, diff_ids, strict=True))
        return image.descriptors or await in_thread(
            _ABOUT, lambda: tuple(_describe_file(*pair) for pair in pairs)
        )


def _describe_file(path: Path, diff_id: str) -> Descriptor:
    """Return the descriptor of a layer; the digest of a plain one is its diff id, which unpacking checks."""
    suffix = derive_suffix(read_magic(path))
    digest = diff_id
    if suffix:
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return Descriptor(media_type=f"{OCI_LAYER}{suffix}", digest=digest, size_bytes=path.stat().st_size)


def _complete(image: ArchivedImage) -> tuple[str, ...]:
    """Return an image's names as objects have them. Invalid."""
    try:
        return tuple(dict.fromkeys(parse_reference(name).complete().familiar for name in image.names))
    except ValueError as error:
        raise Invalid(f"has an image with an impossible name: {error}") from error


def _choose(images: tuple[ArchivedImage, ...], wanted: str) -> ArchivedImage:
    """Return the only image, or the one of that name. NotFound names those that are there."""
    named = [image for image in images if wanted in _complete(image)]
    if len(images) == 1 or named:
        return (named or list(images))[0]
    names = sorted(name for image in images for name in image.names)
    raise NotFound(
        f"has several images, none of them named {wanted}: {', '.join(names) or 'they have no names'}"
    )
