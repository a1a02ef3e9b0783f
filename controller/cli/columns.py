"""Objects as tables for people: which columns each kind has."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from controller.api.v1 import resource_pb2
from controller.cli.addresses import render_addresses, render_ports
from controller.cli.client import KINDS
from controller.cli.fields import find_condition, to_document
from controller.cli.tables import align, measure, read_now, render_age

_COLUMNS = {
    "Container": (("PHASE", "IMAGE", "RESTARTS"), ("ADDRESSES", "PORTS", "PID", "MANAGER")),
    "Network": (("SUBNET", "GATEWAY"), ("BRIDGE", "MANAGER")),
    "Volume": (("DRIVER",), ("PATH", "MANAGER")),
    "Image": (("ID", "SIZE"), ("LAYERS", "MANAGER")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a table shows: `wide` all columns, `labels` one of labels; `kinds` before names as in `container/web`."""

    wide: bool = False
    headers: bool = True
    labels: bool = False
    kinds: bool = False


class Tables:
    """Tables of one command, one for each kind. What comes later is put under the columns that are there."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._widths: dict[str, list[int]] = {}

    def render(self, resources: Iterable[resource_pb2.Resource], *, gone: bool = False) -> str:
        """Return the next rows, those of a kind that is new with titles; nothing without resources."""
        by_kind: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        for resource in resources:
            by_kind[resource.kind].append(to_document(resource))
        several = self._columns.kinds or sum(map(bool, by_kind.values())) > 1
        tables = []
        for kind, documents in by_kind.items():
            cells = [_list_cells(kind, document, prefixed=several, gone=gone) for document in documents]
            if cells:
                tables.append(self._align(kind, cells))
        return "\n\n".join(tables)

    def _align(self, kind: str, rows: list[dict[str, Any]]) -> str:
        narrow, more = _COLUMNS[kind]
        titles = ["NAME", *narrow, "READY", "AGE", *(more if self._columns.wide else ())]
        titles += ["LABELS"] if self._columns.labels else []
        lines = [[str(cells[title]) for title in titles] for cells in rows]
        before = self._widths.get(kind)
        if before is None and self._columns.headers:
            lines.insert(0, titles)
        widths = [max(pair) for pair in zip(measure(lines), before or [0] * len(titles), strict=True)]
        self._widths[kind] = widths
        return align(lines, widths)


def print_tables(resources: Iterable[resource_pb2.Resource], columns: Columns) -> None:
    """Print a table for each kind that there is something of."""
    text = Tables(columns).render(resources)
    if text:
        print(text)


def _list_cells(kind: str, document: dict[str, Any], *, prefixed: bool, gone: bool) -> dict[str, Any]:
    metadata = document["metadata"]
    cells = {
        "NAME": f"{kind.lower()}/{metadata['name']}" if prefixed else metadata["name"],
        "READY": find_condition(document, "Ready"),
        "AGE": render_age(metadata.get("createdAt", ""), read_now()),
        "MANAGER": metadata.get("manager", ""),
        "LABELS": render_labels(metadata),
    } | _KIND_CELLS[kind](document)
    if gone or metadata.get("deletedAt"):
        cells["READY"] = "Deleted" if gone else "Deleting"
    return cells


def render_labels(metadata: dict[str, Any]) -> str:
    """Return `app=shop,tier=db`, `<none>` without labels."""
    return ",".join(f"{name}={value}" for name, value in metadata.get("labels", {}).items()) or "<none>"


def _container_cells(document: dict[str, Any]) -> dict[str, Any]:
    spec, status = document.get("spec", {}), document.get("status", {})
    return {
        "PHASE": status.get("phase", "Pending"),
        "IMAGE": spec.get("image") or spec.get("rootfs", ""),
        "RESTARTS": status.get("restarts", 0),
        "ADDRESSES": ",".join(render_addresses(status)) or spec.get("networkMode", "-"),
        "PORTS": ",".join(render_ports(status)) or "-",
        "PID": status.get("pid", 0) or "-",
    }


def _network_cells(document: dict[str, Any]) -> dict[str, Any]:
    status = document.get("status", {})
    fields = {
        "SUBNET": ("subnet", "ipv6Subnet"),
        "GATEWAY": ("gateway", "ipv6Gateway"),
        "BRIDGE": ("bridge",),
    }
    return {
        title: ",".join(status[name] for name in names if status.get(name)) or "-"
        for title, names in fields.items()
    }


def _volume_cells(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "DRIVER": document.get("spec", {}).get("driver", "local"),
        "PATH": document.get("status", {}).get("path", "") or "-",
    }


def _image_cells(document: dict[str, Any]) -> dict[str, Any]:
    from controller.cli.tables import render_size

    status = document.get("status", {})
    return {
        "ID": status.get("id", "").removeprefix("sha256:")[:12] or "-",
        "SIZE": render_size(status.get("size", 0)),
        "LAYERS": len(status.get("layers", [])),
    }


_KIND_CELLS = {
    "Container": _container_cells,
    "Network": _network_cells,
    "Volume": _volume_cells,
    "Image": _image_cells,
}
