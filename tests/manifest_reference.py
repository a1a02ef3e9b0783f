"""Writes docs/manifest.md out of the models: `python -m tests.manifest_reference`."""

import dataclasses
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from controller.model.container import ContainerSpec
from controller.model.explain import FieldDoc, describe_fields
from controller.model.ids import KINDS, KindName
from controller.plan.oci.spec_hash import IN_PLACE_FIELDS

ROOT_PATH = Path(__file__).parents[1]
REFERENCE_PATH = ROOT_PATH / "docs/manifest.md"

_INTRODUCTION = """\
# Manifests

*This page is made by `python -m tests.manifest_reference`. To change it, change the models.*

A manifest is a YAML or JSON file of one or more objects. `hold apply -f FILE` writes all of them or none. A field that
is not listed here is an error, with the nearest name that is. What you leave out has its default.

- A **size** is a number of bytes or a text such as `64MiB` or `1.5g`; units are powers of 1024.
- A **duration** is a number of seconds or a text such as `500ms` or `1m30s`.
- A **time** is a text such as `2026-01-31T12:00:00Z`.
- `[]` in a field's name stands for each item of a list, `NAME` for each key of a map.
- `kind: List` with `items` holds several objects in one document, as `hold get -o yaml` prints them.

`status` is what hold observed. Manifests may have it, and it is left aside: what `hold get -o yaml` prints can be
applied.
"""

_LEADS: dict[KindName, str] = {
    "Container": (
        "A process with a root file system, networks and limits of its own. hold starts it, keeps it as declared, and\n"
        "starts it again as its restart policy says."
    ),
    "Network": "A bridge with a subnet, which containers of this host share. See [networking](networking.md).",
    "Volume": (
        "A directory that outlives the containers that mount it. Deleting the volume deletes its files.\n"
        "See [storage](storage.md)."
    ),
    "Image": (
        "A root file system with defaults for how to run it. Its name has a tag, `latest` when none is written.\n"
        "`hold import` makes one out of a tar archive."
    ),
}

_EXAMPLES: dict[KindName, str] = {
    "Container": """\
apiVersion: hold/v1
kind: Container
metadata: {name: web, labels: {app: shop}}
spec:
  image: shop:1
  command: [httpd, -f, -p, "80", -h, /data]
  environment: {MODE: live}
  mounts:
    - shop-data:/data:ro
    - {type: tmpfs, target: /tmp, size: 16MiB}
  networks: [{name: shop, aliases: [www], ipv4: 10.77.0.9}]
  ports: ["127.0.0.1:8080:80/tcp"]
  resources: {memory: 64MiB, cpus: 0.5, pids: 64}
  restart: on-failure:3
  dependsOn: {prepare: {condition: completed}}
  stopGracePeriod: 30s
""",
    "Network": """\
apiVersion: hold/v1
kind: Network
metadata: {name: shop}
spec:
  subnets: [10.77.0.0/24]
  gateway: 10.77.0.1
  internal: false
""",
    "Volume": """\
apiVersion: hold/v1
kind: Volume
metadata: {name: shop-data}
""",
    "Image": """\
apiVersion: hold/v1
kind: Image
metadata: {name: "shop:1"}
spec:
  source: {archive: /srv/shop.tar}
  config: {command: [sh], environment: {PATH: /bin}}
""",
}


def render_reference() -> str:
    """Return the whole text of docs/manifest.md."""
    kinds: tuple[KindName, ...] = ("Container", *(kind for kind in KINDS if kind != "Container"))
    common = [field for field in describe_fields("Container") if _is_common(field)]
    parts = [
        _INTRODUCTION,
        "## Every object\n",
        _render_declared(_spell_kind(field) for field in common if not field.path.startswith("status.")),
        "### Status of every object\n",
        _render_observed(_below(common, "status")),
    ]
    for kind in kinds:
        own = [field for field in describe_fields(kind) if not _is_common(field)]
        parts += [
            f"## {kind}\n",
            f"{_LEADS[kind]}\n",
            f"```yaml\n{_EXAMPLES[kind]}```\n",
            f"### Spec: {kind}\n",
            _render_declared(_below(own, "spec")),
        ]
        if kind == "Container":
            parts.append(_render_changes())
        parts += [f"### Status: {kind}\n", _render_observed(_below(own, "status"))]
    return "\n".join(parts)


def _is_common(field: FieldDoc) -> bool:
    first, _, rest = field.path.partition(".")
    return first not in ("spec", "status") or rest.startswith(("observedGeneration", "conditions"))


def _spell_kind(field: FieldDoc) -> FieldDoc:
    """Return the field as it is for all kinds, not for the one whose fields are listed."""
    if field.path != "kind":
        return field
    return dataclasses.replace(field, type=" or ".join(KINDS), required=True)


def _below(fields: Iterable[FieldDoc], top: str) -> Iterator[FieldDoc]:
    return (field for field in fields if field.path.startswith(f"{top}."))


def _render_declared(fields: Iterable[FieldDoc]) -> str:
    lines = ["| field | type | default | |", "|---|---|---|---|"]
    for field in fields:
        default = "*required*" if field.required else f"`{field.default}`" if field.default else ""
        lines.append(f"| `{field.path}` | {field.type} | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _render_observed(fields: Iterable[FieldDoc]) -> str:
    lines = ["| field | type | |", "|---|---|---|"]
    lines += [f"| `{field.path}` | {field.type} | {field.description} |" for field in fields]
    return "\n".join(lines) + "\n"


def _render_changes() -> str:
    fields = ContainerSpec.model_fields.items()
    in_place = [f"`{field.alias}`" for name, field in fields if name in IN_PLACE_FIELDS]
    text = (
        f"These change while the process runs on: {', '.join(in_place)}. A change of any other field replaces the"
        " process; `hold plan` names the field and each step."
    )
    return textwrap.fill(text, width=120, break_on_hyphens=False) + "\n"


if __name__ == "__main__":
    REFERENCE_PATH.write_text(render_reference())
