"""Images that containers name and nobody declares, what was pulled for an image, and who wants the newest."""

from collections.abc import Iterator, Mapping

from controller.model.changes import Draft, Put, Snapshot
from controller.model.container import Container, ContainerAssigned, ContainerSpec, PullPolicy
from controller.model.ids import Key
from controller.model.image import Image, ImageAssigned, ImageSource, ImageSpec
from controller.model.image_reference import parse_reference
from controller.plan.admission.intents import Intent, derive_uid
from controller.plan.admission.references import World, is_staying
from controller.plan.oci.spec_hash import derive_spec_hash


def add_named_images(snapshot: Snapshot, intents: dict[Key, Intent], seed: str) -> None:
    """Add the images to the batch that its containers name, that nobody declares and that a registry may have.

    They are nobody's: whoever declares one later takes it over, and no manager's pruning takes them away.
    """
    for intent in [*intents.values()]:
        spec = intent.spec
        if not isinstance(spec, ContainerSpec) or spec.pull_policy is PullPolicy.NEVER:
            continue
        for name in spec.list_images():
            key = Key("Image", name)
            if key not in snapshot and key not in intents and _is_reference(name):
                intents[key] = _make_image(key, seed)


def _is_reference(name: str) -> bool:
    try:
        parse_reference(name)
    except ValueError:
        return False
    return True


def _make_image(key: Key, seed: str) -> Intent:
    spec = ImageSpec(source=ImageSource(registry=key.name))
    draft = Draft(key=key, spec=spec, labels={}, annotations={})
    return Intent(key=key, uid=derive_uid(seed, key), spec=spec, draft=draft, stored=None, is_anonymous=True)


def assign_images(world: World, pulled: Mapping[Key, str]) -> list[Put]:
    """Fill in `assigned` of the batch's images and which pull its containers wait for.

    `pulled` has the manifests that somebody has just pulled. Returns the writes for images outside the batch whose
    newest is wanted.
    """
    renewed = dict(_list_renewed(world))
    for key, intent in world.intents.items():
        if isinstance(intent.spec, ImageSpec):
            intent.assigned = _assign(intent, pulled.get(key, ""), renewed.get(key, 0))
    for intent in world.intents.values():
        if isinstance(intent.assigned, ContainerAssigned):
            serial = renewed.get(_image_of(intent), 0) if _wants_newest(intent) else _find_serial(intent)
            intent.assigned = intent.assigned.model_copy(update={"pull": serial})
    return [
        Put(resource=image, assigned=ImageAssigned(pull=serial))
        for key, serial in renewed.items()
        if key not in world.intents and isinstance(image := world.snapshot.get(key), Image)
    ]


def _assign(intent: Intent, manifest: str, renewed: int) -> ImageAssigned:
    """Return what was assigned before as long as the source is the same, renewed by what is known now."""
    stored = intent.stored
    before = ImageAssigned()
    if isinstance(stored, Image) and stored.assigned is not None:
        same = isinstance(intent.spec, ImageSpec) and stored.spec.source == intent.spec.source
        before = stored.assigned if same else ImageAssigned(pull=stored.assigned.pull)
    if manifest:
        return before.model_copy(update={"manifest": manifest})
    return ImageAssigned(pull=renewed) if renewed else before


def _list_renewed(world: World) -> Iterator[tuple[Key, int]]:
    """Yield the images of registries whose newest is wanted, each with the serial number of the pull to come."""
    for intent in world.intents.values():
        key = _image_of(intent)
        image = world.snapshot.get(key)
        if not _wants_newest(intent) or not isinstance(image, Image) or not is_staying(image):
            continue
        if image.spec.source.registry is not None:
            yield key, (image.assigned.pull if image.assigned is not None else 0) + 1


def _wants_newest(intent: Intent) -> bool:
    """Tell whether a container that always wants the newest image is made, or made anew."""
    spec = intent.spec
    if not isinstance(spec, ContainerSpec) or spec.pull_policy is not PullPolicy.ALWAYS:
        return False
    stored = intent.stored
    return not isinstance(stored, Container) or derive_spec_hash(stored.spec) != derive_spec_hash(spec)


def _image_of(intent: Intent) -> Key:
    spec = intent.spec
    return Key("Image", (spec.image or "") if isinstance(spec, ContainerSpec) else "")


def _find_serial(intent: Intent) -> int:
    stored = intent.stored
    return stored.assigned.pull if isinstance(stored, Container) and stored.assigned is not None else 0
