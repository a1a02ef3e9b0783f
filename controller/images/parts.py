"""What the parts of the image store have in common."""

from dataclasses import dataclass
from pathlib import Path

from controller.images.leases import Leases
from controller.images.settling import Settling
from controller.images.trash import Trash
from controller.model.layout import Layout
from controller.ports import Unpacker


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreParts:
    """Where things lie, who counts on them, what is durable of them, where they end, and who unpacks them."""

    layout: Layout
    uploads_path: Path
    leases: Leases
    settling: Settling
    trash: Trash
    unpacker: Unpacker
