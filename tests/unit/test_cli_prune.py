"""What prune asks for, and what it prints."""

import pytest

from controller.api.v1 import state_pb2, system_pb2
from controller.cli.client import Failure
from controller.cli.prune import describe_answer, describe_wish, read_filters


def test_filters_go_into_the_request() -> None:
    request = system_pb2.PruneRequest(kinds=["Image"])
    read_filters(request, ["label=a", "label!=b=c", "until=2026-01-02T00:00:00Z", "dangling=false"])
    assert list(request.labels) == ["a", "!b=c"]
    assert request.until.ToJsonString() == "2026-01-02T00:00:00Z"
    assert request.all_images


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        (["Container"], "until!=1h"),
        (["Container"], "name=web"),
        (["Container"], "label"),
        (["Container"], ""),
        (["Container"], "dangling=true"),
        (["Image"], "dangling=perhaps"),
        (["Volume"], "until=1h"),
        (["Container", "Network", "Volume", "Image"], "until=1h"),
    ],
)
def test_wrong_filters_are_told(kinds: list[str], text: str) -> None:
    with pytest.raises(Failure, match="--filter"):
        read_filters(system_pb2.PruneRequest(kinds=kinds), [text])


def test_volumes_have_filters_of_their_own() -> None:
    with pytest.raises(Failure, match=r"is not known: write label=NAME.*, all=true"):
        read_filters(system_pb2.PruneRequest(kinds=["Volume"]), ["name=a"])


def test_the_question_tells_what_goes() -> None:
    request = system_pb2.PruneRequest(kinds=["Container", "Network", "Image"], all_images=True)
    assert describe_wish(request, ["label=a"]) == (
        "WARNING! This will remove:\n  - all stopped containers\n"
        "  - all networks not used by at least one container\n"
        "  - all images without at least one container associated to them\nOnly what passes: label=a"
    )
    request = system_pb2.PruneRequest(kinds=["Volume"])
    assert "all anonymous volumes" in describe_wish(request, [])
    request.all_volumes = True
    assert "all volumes" in describe_wish(request, [])


def test_the_answer_is_printed_as_docker_prints_it() -> None:
    keys = [("Container", "web"), ("Network", "shop"), ("Volume", "data"), ("Image", "box:1")]
    answer = system_pb2.PruneResponse(
        keys=[state_pb2.Key(kind=kind, name=name) for kind, name in keys],
        uids=["c0", "e0", "d0", "f0"],
        deleted_images=["sha256:1"],
        reclaimed_bytes=1_500_000,
    )
    request = system_pb2.PruneRequest(kinds=["Container", "Network", "Volume", "Image"])
    assert describe_answer(answer, request) == [
        *("Deleted Containers:", "c0", "", "Deleted Networks:", "shop", "", "Deleted Volumes:", "data", ""),
        *("Deleted Images:", "untagged: box:1", "deleted: sha256:1", "", "Total reclaimed space: 1.5MB"),
    ]
    nothing = system_pb2.PruneResponse()
    assert describe_answer(nothing, system_pb2.PruneRequest(kinds=["Network"])) == ["nothing to remove"]
    dry = system_pb2.PruneRequest(kinds=["Image"], dry_run=True)
    assert describe_answer(nothing, dry) == ["Would reclaim: 0B"]
    dry = system_pb2.PruneRequest(kinds=["Volume"], dry_run=True)
    assert describe_answer(answer, dry)[3:6] == ["Would delete Networks:", "shop", ""]
