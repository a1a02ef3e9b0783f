"""The networks as a document for Graphviz (https://graphviz.org/doc/info/lang.html), which lays them out.

Networks stand in the middle, containers to both sides of theirs, those on several networks between them; a crowd is
staggered over several columns, so that the picture does not become a strip.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from controller.cli.graph_map import DrawnContainer, DrawnNetwork, NetworkMap

_PALETTE = ("#1f6feb", "#bf4b8a", "#1a7f37", "#9a6700", "#8250df", "#cf222e", "#0b7285", "#57606a")
_PHASES = {"Running": "#1a7f37", "Paused": "#9a6700", "Failed": "#cf222e"}
_QUIET = "#8c959f"
_INK, _PALE, _PORTS = "#1f2328", "#f6f8fa", "#fff8c5"
_FONT = "Helvetica,Arial,sans-serif"
_FEW = 5
"""As many containers stand on one side of their network, in one column."""
_CROWD = 24
"""As many stand on both sides without a second column."""

_HEAD = f"""digraph hold {{
  graph [rankdir=LR, ranksep=0.7, nodesep=0.14, pad=0.25, splines=true, outputorder=edgesfirst, fontname="{_FONT}"]
  node [shape=plain, fontname="{_FONT}", fontsize=11, fontcolor="{_INK}"]
  edge [arrowhead=none, penwidth=1.3]
"""


def render_dot(picture: NetworkMap) -> str:
    """Return the document; the same map makes the same document."""
    colors = {
        network.name: _PALETTE[number % len(_PALETTE)] if network.is_real else _QUIET
        for number, network in enumerate(picture.networks)
    }
    lines = [_render_network(network, colors[network.name]) for network in picture.networks]
    lines += [_render_container(container, colors) for container in picture.containers]
    lines += _render_edges(picture, colors)
    lines.append(_render_legend())
    return _HEAD + "".join(f"  {line}\n" for line in lines) + "}\n"


def _render_legend() -> str:
    """Return what colours and lines mean, as the caption below the picture."""
    colors = [*_PHASES.items(), ("not running", _QUIET)]
    words = [f'<font color="{color}">●</font> {phase.lower()}' for phase, color in colors]
    ports = f'<td BGCOLOR="{_PORTS}">host → container: published port</td>'
    cells = "".join(f"<td>{word}</td>" for word in words) + ports
    cells += "<td>dashed line: shares that container's network; dashed border: internal</td>"
    table = f'<table BORDER="0" CELLSPACING="6" CELLPADDING="2"><tr>{cells}</tr></table>'
    return f'label=<<font POINT-SIZE="9" COLOR="{_INK}">{table}</font>>; labelloc=b; labeljust=l'


def _render_network(network: DrawnNetwork, color: str) -> str:
    rows = [_row(f"<b>{escape(_title(network))}</b>", size=13, color="white")]
    about = [network.driver, "internal" if network.internal else ""]
    details = [" · ".join(filter(None, about)), *network.subnets]
    details += [f"gateway {gateway}" for gateway in network.gateways]
    details += [network.link]
    rows += [_row(escape(text), size=9, color="white") for text in details if text]
    border = (
        'STYLE="ROUNDED,DASHED" COLOR="white"' if network.internal else f'STYLE="ROUNDED" COLOR="{color}"'
    )
    table = _table(rows, f'{border} BGCOLOR="{color}"')
    return f"{_name_network(network.name)} [label=<{table}>]"


def _title(network: DrawnNetwork) -> str:
    if network.is_real:
        return network.name
    return "the host's network" if network.name == "host" else "no network"


def _render_container(container: DrawnContainer, colors: Mapping[str, str]) -> str:
    dot = f'<font color="{_PHASES.get(container.phase, _QUIET)}">●</font>'
    rows = [_row(f"{dot} <b>{escape(container.name)}</b>", size=11, color=_INK)]
    if container.phase != "Running":
        rows.append(_row(escape(container.phase.lower()), size=9, color=_QUIET))
    for network, addresses in container.places:
        rows += [_row(escape(each), size=9, color=colors.get(network, _QUIET)) for each in addresses]
    rows += [
        _row(escape(port), size=9, color=_INK, background=_PORTS)
        for port in dict.fromkeys(map(_shorten, container.ports))
    ]
    style = f'STYLE="ROUNDED" COLOR="#d0d7de" BGCOLOR="{_PALE}"'
    return f"{_name_container(container.name)} [label=<{_table(rows, style)}>]"


def _shorten(port: str) -> str:
    """Return `8080 → 80/tcp`; the host's address only where there is one."""
    return port.removeprefix("0.0.0.0:").removeprefix("[::]:").replace("->", " → ")


def _render_edges(picture: NetworkMap, colors: Mapping[str, str]) -> Iterator[str]:
    places = {network.name: number for number, network in enumerate(picture.networks)}
    for network in picture.networks:
        alone = [each for each, _ in picture.list_members(network.name) if len(each.places) == 1]
        for number, container in enumerate(alone):
            yield _render_alone(network, container, _stagger(number, len(alone)), colors[network.name])
    for container in picture.containers:
        joined = sorted((name for name, _ in container.places if name in places), key=places.__getitem__)
        if len(container.places) > 1:
            yield from _render_between(container, joined, colors)
        if container.shares:
            ends = _name_container(container.shares), _name_container(container.name)
            yield f'{ends[0]} -> {ends[1]} [style=dashed, color="{_QUIET}"]'


def _stagger(number: int, count: int) -> tuple[bool, int]:
    """Return whether the container stands before its network, and in which column from there."""
    if count <= _FEW:
        return False, 1
    columns = math.ceil(math.sqrt(count / _CROWD))
    return number % 2 == 0, number // 2 % columns + 1


def _render_alone(
    network: DrawnNetwork, container: DrawnContainer, place: tuple[bool, int], color: str
) -> str:
    before, column = place
    ends = [_name_network(network.name), _name_container(container.name)]
    first, second = reversed(ends) if before else ends
    return f'{first} -> {second} [color="{color}", minlen={column}]'


def _render_between(
    container: DrawnContainer, joined: Sequence[str], colors: Mapping[str, str]
) -> Iterator[str]:
    """Put the container behind its first network and before the others."""
    own = _name_container(container.name)
    for number, name in enumerate(joined):
        network = _name_network(name)
        first, second = (network, own) if number == 0 else (own, network)
        yield f'{first} -> {second} [color="{colors[name]}"]'


def _table(rows: Sequence[str], style: str) -> str:
    return f'<table BORDER="1" CELLBORDER="0" CELLSPACING="2" CELLPADDING="2" {style}>{"".join(rows)}</table>'


def _row(text: str, *, size: int, color: str, background: str = "") -> str:
    ground = f' BGCOLOR="{background}"' if background else ""
    return f'<tr><td{ground}><font POINT-SIZE="{size}" COLOR="{color}">{text}</font></td></tr>'


def _name_network(name: str) -> str:
    return _quote(f"network {name}")


def _name_container(name: str) -> str:
    return _quote(f"container {name}")


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
