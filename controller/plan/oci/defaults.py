"""What the daemon's settings give to containers that do not say it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.model.container import ContainerSpec
from controller.model.resources import Ulimit, UlimitName

SHM_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerDefaults:
    """Applied whenever a process is made, so that a change of settings comes with a container's next start.

    What is said of names is applied to running containers, too.
    """

    ulimits: Mapping[UlimitName, Ulimit] = field(default_factory=dict)
    shm_size_bytes: int = SHM_BYTES
    init: bool = False
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()

    def choose_ulimits(self, spec: ContainerSpec) -> dict[UlimitName, Ulimit]:
        """Return the limits of a container; its own win name by name."""
        return {**self.ulimits, **spec.ulimits}

    def choose_shm_size_bytes(self, spec: ContainerSpec) -> int:
        """Return the size of /dev/shm."""
        return self.shm_size_bytes if spec.shm_size_bytes is None else spec.shm_size_bytes

    def wants_init(self, spec: ContainerSpec) -> bool:
        """Tell whether an init comes before the program."""
        return self.init if spec.init is None else spec.init

    def choose_dns(self, spec: ContainerSpec) -> tuple[str, ...]:
        """Return the name servers to ask, none when they are the host's."""
        return spec.dns or self.dns

    def choose_dns_search(self, spec: ContainerSpec) -> tuple[str, ...]:
        """Return the search domains, none when they are the host's."""
        return spec.dns_search or self.dns_search

    def choose_dns_opt(self, spec: ContainerSpec) -> tuple[str, ...]:
        """Return the options for resolvers, none when they are the host's."""
        return spec.dns_opt or self.dns_opt
