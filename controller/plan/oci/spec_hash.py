"""The digest of what needs a new process to change."""

import hashlib

from controller.model.container import ContainerSpec

IN_PLACE_FIELDS = frozenset(
    {
        "resources", "restart", "healthcheck", "ports", "networks", "depends_on", "desired", "run", "stop_signal",
        "stop_grace_period_s", "auto_remove", "extra_hosts", "dns", "dns_search", "dns_opt", "links", "expose", "publish_all", "pull_policy",
    }
)  # fmt: skip
"""Fields of a container's spec that change without a new process."""


def derive_spec_hash(spec: ContainerSpec) -> str:
    """Return 32 hex digits, equal for two specs when the process of the one can serve the other."""
    text = spec.model_dump_json(exclude=_list_unsaid(spec), by_alias=True, exclude_defaults=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def list_hashed_differences(old: ContainerSpec, new: ContainerSpec) -> tuple[str, ...]:
    """Return the fields that make the hashes of two specs differ, by their names in the model."""
    before, after = _list_unsaid(old), _list_unsaid(new)
    return tuple(
        name
        for name, field in ContainerSpec.model_fields.items()
        if (field.get_default(call_default_factory=True) if name in before else getattr(old, name))
        != (field.get_default(call_default_factory=True) if name in after else getattr(new, name))
    )


def _list_unsaid(spec: ContainerSpec) -> set[str]:
    """Return the fields that a process does not depend on."""
    # Without an init is how containers are; whether that was said, or is left to the settings, makes no new process.
    unsaid = set(IN_PLACE_FIELDS if spec.init else IN_PLACE_FIELDS | {"init"})
    if spec.network_mode == "none":  # a namespace of its own, as with networks, which can come and go
        unsaid.add("network_mode")
    return unsaid
