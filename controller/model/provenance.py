"""Where an image comes from, as its configuration tells."""

from dataclasses import dataclass
from datetime import datetime

from controller.model.platforms import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """When an image was made (UTC), what its maker notes on it, and what it is for, when not for this machine.

    All of it goes into the configuration, and so into the image's id.
    """

    created_at: datetime
    comment: str = ""
    platform: Platform | None = None
