"""What an image made of a container says of how it is run."""

from controller.model.container import Container
from controller.model.image import ImageConfig


def derive_config(container: Container, image: ImageConfig, changes: ImageConfig) -> ImageConfig:
    """Return the defaults of a new image: the old image's, over them the container's own, over them the changes.

    Variables, labels, ports and volumes add up; of everything else the last one counts. An entrypoint makes an earlier
    command void.
    """
    return _overlay(_overlay(image, _describe(container)), changes)


def _describe(container: Container) -> ImageConfig:
    """Return how a container is run, as far as images can say it; its mounts are its own affair."""
    spec = container.spec
    ports = (f"{port.container_port}/{port.protocol}" for port in spec.ports)
    return ImageConfig(
        entrypoint=spec.entrypoint,
        command=spec.command,
        environment=spec.environment,
        working_dir=spec.working_dir,
        user=spec.user,
        labels=container.metadata.labels,
        exposed_ports=tuple(ports),
        stop_signal=spec.stop_signal,
        healthcheck=spec.healthcheck,
    )


def _overlay(below: ImageConfig, above: ImageConfig) -> ImageConfig:
    command = above.command
    if command is None and above.entrypoint is None:
        command = below.command
    return ImageConfig(
        entrypoint=below.entrypoint if above.entrypoint is None else above.entrypoint,
        command=command,
        environment={**below.environment, **above.environment},
        working_dir=above.working_dir or below.working_dir,
        user=above.user or below.user,
        labels={**below.labels, **above.labels},
        exposed_ports=_join(below.exposed_ports, above.exposed_ports),
        volumes=_join(below.volumes, above.volumes),
        stop_signal=above.stop_signal or below.stop_signal,
        healthcheck=above.healthcheck or below.healthcheck,
    )


def _join(below: tuple[str, ...], above: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*below, *above)))
