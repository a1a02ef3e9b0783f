"""Layers on their way, as people see them: bars, lines, nothing."""

import io

import pytest
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2

from controller.api.v1 import registry_pb2
from controller.cli.progress import Bars, Lines, Silence, choose_display, render_bar, render_lines
from controller.cli.run_image import lacks_image
from controller.cli.transport import CallFailed

FIRST, SECOND = "sha256:" + "a1" * 32, "sha256:" + "b2" * 32


def layer(
    digest: str, state: str, done: int = 0, total: int = 0, note: str = ""
) -> registry_pb2.LayerProgress:
    return registry_pb2.LayerProgress(
        digest=digest, state=state, done_bytes=done, total_bytes=total, note=note
    )


@pytest.mark.parametrize(
    ("done", "total", "bar"),
    [
        (0, 10, "[>" + " " * 29 + "]"),
        (5, 10, "[" + "=" * 15 + ">" + " " * 14 + "]"),
        (10, 10, "[" + "=" * 30 + "]"),
        (0, 0, "[" + "=" * 30 + "]"),
    ],
)
def test_a_bar_is_as_long_as_what_has_come(done: int, total: int, bar: str) -> None:
    assert render_bar(done, total) == bar


def test_each_layer_has_a_line_and_all_have_one() -> None:
    layers = [
        layer(FIRST, "Downloading", 3_000_000, 6_000_000),
        layer(SECOND, "Already exists", 0, 9_000_000),
        layer("sha256:" + "c3" * 32, "Mounted", 5, 5, "from shop"),
    ]
    assert render_lines(layers, 2.0, rows=24, columns=100) == [
        "a1a1a1a1a1a1: Downloading [===============>              ] 3MB/6MB",
        "b2b2b2b2b2b2: Already exists",
        "c3c3c3c3c3c3: Mounted from shop",
        "Total: 2/3 layers, 3MB/6MB, 1.5MB/s",
    ]
    assert render_lines(layers, 2.0, rows=24, columns=50)[0] == "a1a1a1a1a1a1: Downloading 3MB/6MB"


def test_what_does_not_fit_is_left_out_done_layers_first() -> None:
    layers = [layer(f"sha256:{number:064}", "Pull complete") for number in range(10)]
    layers += [layer(FIRST, "Downloading", 1, 2)]
    lines = render_lines(layers, 1.0, rows=5, columns=80)
    assert len(lines) == 4
    assert lines[2].startswith("a1a1a1a1a1a1: Downloading")
    assert lines[3].endswith("8 layers not shown")


def test_bars_are_drawn_over_and_over_in_place() -> None:
    screen = io.StringIO()
    bars = Bars(screen)
    bars.begin("shop:1: pulling")
    bars.show(layer(FIRST, "Pull complete"))
    bars.show(layer(SECOND, "Pull complete"))
    bars.end()
    bars.end()
    drawn = screen.getvalue()
    assert drawn.startswith("shop:1: pulling\n\x1b[2Ka1a1a1a1a1a1: Pull complete\n")
    assert drawn.count("\x1b[2A") == 1
    assert drawn.count("\x1b[3A") == 1


def test_lines_tell_changes_alone() -> None:
    pipe = io.StringIO()
    lines = Lines(pipe)
    lines.begin("shop:1: pulling")
    for done in (1, 2, 3):
        lines.show(layer(FIRST, "Downloading", done, 3000))
    lines.show(layer(FIRST, "Pull complete", 3000, 3000))
    lines.end()
    assert pipe.getvalue().splitlines() == [
        "shop:1: pulling",
        "a1a1a1a1a1a1: Downloading 3kB",
        "a1a1a1a1a1a1: Pull complete",
    ]


def test_what_suits_the_stream_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(choose_display(Screen(), quiet=False), Bars)
    assert isinstance(choose_display(Screen(), quiet=True), Silence)
    assert isinstance(choose_display(io.StringIO(), quiet=False), Lines)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose_display(Screen(), quiet=False), Lines)


def test_only_the_want_of_an_image_is_mended_by_a_pull() -> None:
    def refusal(*fields: str, code: int = 3) -> CallFailed:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=field, description="Image/b:1 does not exist")
            for field in fields
        ]
        packed = Any()
        packed.Pack(error_details_pb2.BadRequest(field_violations=violations))
        status = status_pb2.Status(code=code, details=[packed])
        return CallFailed(code, "refused", status.SerializeToString())

    assert lacks_image(refusal("Container/x: spec.image"))
    assert not lacks_image(refusal("Container/x: spec.image", "Container/x: spec.networks[0].name"))
    assert not lacks_image(refusal("Container/x: spec.networks[0].name"))
    assert not lacks_image(refusal("Container/x: spec.image", code=14))
    assert not lacks_image(CallFailed(3, "refused"))
