"""Dockerfile instructions of --change."""

import pytest

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.cli.fields import to_public
from controller.cli.instructions import apply_instruction


def _apply(*texts: str) -> dict[str, object]:
    config = resource_pb2.ImageConfig()
    for text in texts:
        apply_instruction(config, text)
    return to_public(config)


@pytest.mark.parametrize(
    ("texts", "field", "value"),
    [
        (['CMD ["a", "b c"]'], "command", ["a", "b c"]),
        (["cmd echo $HOME"], "command", ["/bin/sh", "-c", "echo $HOME"]),
        (['ENTRYPOINT ["x"]', 'ENTRYPOINT ["y"]'], "entrypoint", ["y"]),
        (["ENV A=b C='d e' F=\"g=h\""], "environment", {"A": "b", "C": "d e", "F": "g=h"}),
        (["ENV A b c"], "environment", {"A": "b c"}),
        (["ENV A=b", "ENV C=$A-${A}-${N:-n}-${A:+set}"], "environment", {"A": "b", "C": "b-b-n-set"}),
        (["ENV A=\\$B"], "environment", {"A": "$B"}),
        (["LABEL a=b c=d"], "labels", {"a": "b", "c": "d"}),
        (["WORKDIR /srv", "WORKDIR app"], "workingDir", "/srv/app"),
        (["WORKDIR app"], "workingDir", "/app"),
        (["USER 5:6"], "user", "5:6"),
        (["STOPSIGNAL SIGINT"], "stopSignal", "SIGINT"),
        (["EXPOSE 80 53/udp", "EXPOSE 80"], "exposedPorts", ["80/tcp", "53/udp"]),
        (["EXPOSE 8000-8002"], "exposedPorts", ["8000/tcp", "8001/tcp", "8002/tcp"]),
        (["VOLUME /a /b"], "volumes", ["/a", "/b"]),
        (['VOLUME ["/a b"]', "VOLUME /c"], "volumes", ["/a b", "/c"]),
        (["HEALTHCHECK NONE"], "healthcheck", {"test": ["NONE"]}),
        (
            ["HEALTHCHECK --interval=1m30s --retries=2 CMD wget x"],
            "healthcheck",
            {"test": ["CMD-SHELL", "wget x"], "interval": 90.0, "retries": 2},
        ),
        (['HEALTHCHECK CMD ["wget", "x"]'], "healthcheck", {"test": ["CMD", "wget", "x"]}),
    ],
)
def test_instructions(texts: list[str], field: str, value: object) -> None:
    assert _apply(*texts) == {field: value}


@pytest.mark.parametrize(
    "text",
    [
        "RUN make",
        "CMD",
        'CMD ["a"',
        "CMD [1]",
        "ENV A",
        "ENV A=b C",
        "ENV =b",
        "ENV A='b",
        "ENV A=$NOBODY",
        "EXPOSE 0",
        "EXPOSE 70000",
        "EXPOSE http",
        "EXPOSE 9-8",
        "HEALTHCHECK",
        "HEALTHCHECK wget",
        "HEALTHCHECK --interval=soon CMD x",
        "HEALTHCHECK --retries=x CMD x",
    ],
)
def test_mistakes_are_told(text: str) -> None:
    with pytest.raises(Failure, match="--change"):
        _apply(text)
