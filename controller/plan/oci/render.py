"""From a container to the process that a runtime is asked to create."""

import json
from typing import Any

from controller.model.container import Container
from controller.model.ids import Uid
from controller.model.wants import LogWant, ProcessWant
from controller.plan.oci.capabilities import choose_capabilities
from controller.plan.oci.files import choose_hostname, render_files
from controller.plan.oci.linux import render_linux
from controller.plan.oci.mounts import find_host_directories, list_propagations, render_mounts
from controller.plan.oci.namespaces import find_id_base, render_id_mappings
from controller.plan.oci.process import choose_working_dir, render_process_section
from controller.plan.oci.spec_hash import derive_spec_hash
from controller.plan.oci.staging import list_staged
from controller.plan.oci.surroundings import Surroundings

OCI_VERSION = "1.0.2"


def render_process(container: Container, surroundings: Surroundings) -> ProcessWant:
    """Return everything about the container's process; Refused when its user or its program isn't there.

    The container must have a uid, and `surroundings` every volume that it mounts.
    """
    uid = Uid(container.metadata.uid or "")
    spec = container.spec
    hostname = choose_hostname(container, uid, surroundings)
    working_dir = choose_working_dir(spec, surroundings.image_config)
    return ProcessWant(
        uid=uid,
        name=container.metadata.name,
        run=spec.run,
        spec_hash=surroundings.spec_hash or derive_spec_hash(spec),
        config_json=render_oci_config(container, uid, hostname, surroundings),
        files=render_files(container, hostname, surroundings),
        directories=(working_dir,) if working_dir.rstrip("/") else (),
        host_directories=find_host_directories(container),
        staged=tuple(list_staged(container, uid, surroundings)),
        propagations=tuple(list_propagations(container)),
        id_base=find_id_base(container),
        runtime=spec.runtime or "",
        tty=spec.tty,
        stdin_open=spec.stdin_open,
        log=_render_log(container, surroundings),
    )


def _render_log(container: Container, surroundings: Surroundings) -> LogWant:
    spec, config = container.spec, surroundings.image_config
    return LogWant(
        settings=spec.logging,
        image=spec.image or "",
        labels=tuple({**config.labels, **container.metadata.labels}.items()),
        environment=tuple({**config.environment, **spec.environment}.items()),
    )


def render_oci_config(container: Container, uid: Uid, hostname: str, surroundings: Surroundings) -> str:
    """Return config.json of the OCI runtime specification, deterministic for equal arguments.

    The limits of the host it will run on are not looked at: the adapter cuts down rlimits, and what the host's
    cgroups don't have, to what is possible.
    """
    layout, spec = surroundings.layout, container.spec
    capabilities = choose_capabilities(spec)
    config: dict[str, Any] = {
        "ociVersion": OCI_VERSION,
        **({"hostname": hostname} if spec.uts is None else {}),
        "root": {"path": layout.merged_path(uid), "readonly": spec.read_only},
        "process": render_process_section(container, hostname, capabilities, surroundings),
        "mounts": render_mounts(container, layout.bundle_path(uid), surroundings),
        "linux": render_linux(uid, spec, capabilities, surroundings) | render_id_mappings(container),
        "annotations": {"org.hold.name": container.metadata.name},
    }
    return json.dumps(config, separators=(",", ":"), ensure_ascii=False)
