"""The networks as text: each with its containers below it."""

from collections.abc import Iterator, Sequence

from controller.cli.graph_map import DrawnContainer, DrawnNetwork, NetworkMap

_BRANCH, _LAST = "├─ ", "└─ "


def render_text(picture: NetworkMap) -> str:
    """Return the lines; a container is below each network that it is on."""
    blocks = [_render_block(_head(network), _list_rows(picture, network)) for network in picture.networks]
    sharers: dict[str, list[list[str]]] = {}
    for container in picture.containers:
        if container.shares:
            sharers.setdefault(container.shares, []).append([container.name, container.phase])
    blocks += [_render_block(f"network of {owner}", rows) for owner, rows in sorted(sharers.items())]
    return "\n".join(f"{block}\n" for block in blocks) if blocks else "no networks\n"


def _head(network: DrawnNetwork) -> str:
    if not network.is_real:
        return f"{network.name}'s own network" if network.name == "host" else "no network"
    parts = [network.name, network.driver, *network.subnets]
    parts += [f"gateway {' '.join(network.gateways)}"] if network.gateways else []
    parts += ["internal"] if network.internal else []
    parts += [network.link] if network.link else []
    return "  ".join(parts)


def _list_rows(picture: NetworkMap, network: DrawnNetwork) -> list[list[str]]:
    return [_row(container, addresses) for container, addresses in picture.list_members(network.name)]


def _row(container: DrawnContainer, addresses: Sequence[str]) -> list[str]:
    cells = [container.name, " ".join(addresses) or "-", container.phase]
    return [*cells, ", ".join(container.ports)] if container.ports else cells


def _render_block(head: str, rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([head, *_render_rows(rows)])


def _render_rows(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [
        max(len(row[place]) for row in rows if len(row) > place)
        for place in range(max(map(len, rows), default=0))
    ]
    for number, row in enumerate(rows, start=1):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        yield (_LAST if number == len(rows) else _BRANCH) + cells
