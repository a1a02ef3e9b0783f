"""Layers on their way: a bar for each on a terminal, a line for each change elsewhere, nothing when quiet."""

import os
import time
from collections.abc import Sequence
from typing import IO, Protocol

from controller.api.v1 import registry_pb2
from controller.cli.tables import render_size

_MOVING = ("Downloading", "Pushing")
_DONE = ("Pull complete", "Pushed", "Already exists", "Mounted")
_BAR_CELLS = 30
_LEAST_COLUMNS = 40
_REDRAW_S = 0.05


class Display(Protocol):
    """Shows layers of one image after another."""

    def begin(self, reference: str) -> None:
        """Say which image is on its way from now on."""
        ...

    def show(self, layer: registry_pb2.LayerProgress) -> None:
        """Take in how far a layer is."""
        ...

    def end(self) -> None:
        """Leave the last state standing; what is printed next comes below."""
        ...


class Silence:
    """Shows nothing."""

    def begin(self, reference: str) -> None:
        """See Display."""

    def show(self, layer: registry_pb2.LayerProgress) -> None:
        """See Display."""

    def end(self) -> None:
        """See Display."""


class Lines:
    """A line for each change of a layer's state, for logs and pipes."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._states: dict[str, str] = {}

    def begin(self, reference: str) -> None:
        """See Display."""
        self._states.clear()
        print(reference, file=self._stream, flush=True)

    def show(self, layer: registry_pb2.LayerProgress) -> None:
        """See Display."""
        if self._states.get(layer.digest) == layer.state:
            return
        self._states[layer.digest] = layer.state
        size = f" {render_size(layer.total_bytes)}" if layer.state in _MOVING else ""
        note = f" {layer.note}" if layer.note else ""
        print(f"{shorten(layer.digest)}: {layer.state}{size}{note}", file=self._stream, flush=True)

    def end(self) -> None:
        """See Display."""


class Bars:
    """A bar for each layer and a line for all of them, drawn over and over in place."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._layers: dict[str, registry_pb2.LayerProgress] = {}
        self._begun_s = 0.0
        self._drawn_s = 0.0
        self._drawn_lines = 0

    def begin(self, reference: str) -> None:
        """See Display."""
        self.end()
        print(reference, file=self._stream, flush=True)
        self._begun_s = time.monotonic()

    def show(self, layer: registry_pb2.LayerProgress) -> None:
        """See Display."""
        self._layers[layer.digest] = layer
        if layer.state in _DONE or time.monotonic() - self._drawn_s >= _REDRAW_S:
            self._draw()

    def end(self) -> None:
        """See Display."""
        if self._layers:
            self._draw()
        self._layers.clear()
        self._drawn_lines = 0

    def _draw(self) -> None:
        size = _find_terminal_size(self._stream)
        layers = list(self._layers.values())
        lines = render_lines(layers, time.monotonic() - self._begun_s, rows=size.lines, columns=size.columns)
        up = f"\x1b[{self._drawn_lines}A" if self._drawn_lines else ""
        self._stream.write(up + "".join(f"\x1b[2K{line}\n" for line in lines) + "\x1b[J")
        self._stream.flush()
        self._drawn_lines, self._drawn_s = len(lines), time.monotonic()


def choose_display(stream: IO[str], *, quiet: bool) -> Display:
    """Return what suits the stream."""
    if quiet:
        return Silence()
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    return Bars(stream) if stream.isatty() and not dumb else Lines(stream)


def render_lines(
    layers: Sequence[registry_pb2.LayerProgress], elapsed_s: float, *, rows: int, columns: int
) -> list[str]:
    """Return a line for each layer, as many as fit (those that are done go first), and one for all."""
    room = max(1, rows - 2)
    shown = list(layers)
    for layer in layers:
        if len(shown) > room and layer.state in _DONE:
            shown.remove(layer)
    hidden = len(layers) - len(shown[:room])
    lines = [render_layer(layer, columns)[:columns] for layer in shown[:room]]
    total = render_total(layers, elapsed_s) + (f", {hidden} layers not shown" if hidden else "")
    return [*lines, total[:columns]]


def render_layer(layer: registry_pb2.LayerProgress, columns: int) -> str:
    """Return one layer's line, with a bar where there is room for it."""
    start = f"{shorten(layer.digest)}: {layer.state}"
    if layer.note:
        return f"{start} {layer.note}"
    if layer.state not in _MOVING:
        return start
    amount = f"{render_size(layer.done_bytes)}/{render_size(layer.total_bytes)}"
    if columns < _LEAST_COLUMNS + _BAR_CELLS:
        return f"{start} {amount}"
    return f"{start} {render_bar(layer.done_bytes, layer.total_bytes)} {amount}"


def render_bar(done: int, total: int) -> str:
    """Return `[=====>    ]`."""
    filled = min(_BAR_CELLS, _BAR_CELLS * done // total) if total else _BAR_CELLS
    head = ">" if filled < _BAR_CELLS else ""
    return f"[{'=' * filled}{head}{' ' * (_BAR_CELLS - filled - len(head))}]"


def render_total(layers: Sequence[registry_pb2.LayerProgress], elapsed_s: float) -> str:
    """Return how many layers are done, how much was moved, and how quickly."""
    finished = sum(layer.state in _DONE for layer in layers)
    moved = [layer for layer in layers if layer.state not in ("Already exists", "Mounted", "Waiting")]
    done_bytes = sum(layer.done_bytes for layer in moved)
    waiting_bytes = sum(layer.total_bytes for layer in layers if layer.state == "Waiting")
    total_bytes = sum(layer.total_bytes for layer in moved) + waiting_bytes
    rate = f", {render_size(int(done_bytes / elapsed_s))}/s" if elapsed_s > 0 and done_bytes else ""
    amount = f", {render_size(done_bytes)}/{render_size(total_bytes)}" if total_bytes else ""
    return f"Total: {finished}/{len(layers)} layers{amount}{rate}"


def shorten(digest: str) -> str:
    """Return the twelve digits that people know a layer by."""
    return digest.partition(":")[2][:12]


def _find_terminal_size(stream: IO[str]) -> os.terminal_size:
    try:
        size = os.get_terminal_size(stream.fileno())
    except OSError:
        return os.terminal_size((80, 24))
    return size if size.columns and size.lines else os.terminal_size((80, 24))
