"""Docker's grammars of mounts, as the long form, and what they say about mistakes."""

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.model.container import ContainerSpec
from controller.model.mount_forms import parse_long_mount, parse_mount, parse_tmpfs
from controller.model.mounts import Mount
from controller.model.volume import VolumeSpec, make_volume_spec

BIND = {"type": "bind", "source": "/a", "target": "/b", "readOnly": False, "createHostPath": True}
VOLUME = {"type": "volume", "source": "v", "target": "/b", "readOnly": False, "createHostPath": False}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("/b", {"type": "volume", "target": "/b"}),
        ("/a:/b", BIND),
        ("/a:/b:ro,rslave", BIND | {"readOnly": True, "propagation": "rslave"}),
        ("/a:/b:Z,cached", BIND | {"relabel": "private"}),
        ("/a:/b:z", BIND | {"relabel": "shared"}),
        ("v:/b", VOLUME),
        ("v:/b:nocopy,ro,z", VOLUME | {"readOnly": True, "nocopy": True}),
    ],
)
def test_volume_flags(text: str, fields: dict[str, Any]) -> None:
    assert parse_mount(text) == fields
    Mount.model_validate(fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a", "is not a mount"),
        ("/a:/b:ro:x", "is not a mount"),
        ("/a:/b:rx", "'rx' is not a mount option"),
        ("/a:/b:rslve", r"'rslve' is not a mount option \(did you mean rslave"),
        ("/a:/b:ro,rw", "says both ro and rw"),
        ("/a:/b:shared,rslave", "says both shared and rslave"),
        ("v:/b:z,Z", "says both z and Z"),
        ("/a:/b:nocopy", "nocopy is for volumes"),
        ("v:/b:shared", "'shared' is for directories of the host"),
    ],
)
def test_wrong_volume_flags(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_mount(text)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("target=/b", {"type": "volume", "target": "/b"}),
        ("type=bind,src=/a,dst=/b,ro", {"type": "bind", "source": "/a", "target": "/b", "readOnly": True}),
        ("type=bind,source=/a,destination=/b,readonly=false", {"type": "bind", "source": "/a", "target": "/b", "readOnly": False}),
        ('type=bind,"source=/a,b",target=/b', {"type": "bind", "source": "/a,b", "target": "/b"}),
        ("type=bind,src=/a,dst=/b,bind-propagation=shared,consistency=cached", {"type": "bind", "source": "/a", "target": "/b", "propagation": "shared"}),
        ("type=bind,src=/a,dst=/b,bind-recursive=disabled", {"type": "bind", "source": "/a", "target": "/b", "recursive": "disabled"}),
        ("type=bind,src=/a,dst=/b,bind-nonrecursive", {"type": "bind", "source": "/a", "target": "/b", "recursive": "disabled"}),
        ("src=v,dst=/b,volume-nocopy=true,volume-subpath=x/y", {"type": "volume", "source": "v", "target": "/b", "nocopy": True, "subpath": "x/y"}),
        ('dst=/b,volume-driver=local,volume-opt=type=tmpfs,volume-opt=device=tmpfs,"volume-opt=o=size=1m,uid=1",volume-label=a=b', {"type": "volume", "target": "/b", "driver": "local", "driverOptions": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=1"}, "labels": {"a": "b"}}),
        ("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700", {"type": "tmpfs", "target": "/t", "size": 1 << 20, "mode": 0o700}),
        ("type=image,src=tools:1,dst=/t,image-subpath=bin", {"type": "image", "source": "tools:1", "target": "/t", "subpath": "bin"}),
    ],
)  # fmt: skip
def test_mount_flags(text: str, fields: dict[str, Any]) -> None:
    assert parse_long_mount(text) == fields
    Mount.model_validate(fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("type=bind,src=/a", "has no target"),
        ('dst=/b,"volume-opt=o=a', "is not a line of KEY=VALUE"),
        ("type=bind,dst=/b", "has no source"),
        ("type=tmpfs,src=a,dst=/b", "a tmpfs has no source"),
        ("type=image,dst=/b", "has no source: name the image"),
        ("type=image,src=a,dst=/b,volume-nocopy", "volume-nocopy is for a mount of type volume, not image"),
        ("src=a,dst=/b,image-subpath=x", "image-subpath is for a mount of type image, not volume"),
        ("type=npipe,dst=/b", "'npipe' is not one of volume, bind, tmpfs"),
        ("dst=/b,target=/c", "dst and target, which are the same"),
        ("dst", "dst of a mount needs a value"),
        ("dst=/b,what=1", "'what' is not a key of a mount: known are type, source"),
        ("dst=/b,reedonly", r"'reedonly' is not a key of a mount \(did you mean readonly"),
        ("dst=/b,consistency=fast", "consistency=fast: 'fast' is not one of consistent, cached"),
        ("dst=/b,volume-opt=type", "write volume-opt=NAME=VALUE"),
        ("src=/a,dst=/b", "a volume has a name, not a path: write type=bind"),
        ("dst=/b,ro=perhaps", "'perhaps' is neither true nor false"),
        ("dst=/b,tmpfs-size=1m", "tmpfs-size is for a mount of type tmpfs, not volume"),
        ("type=bind,src=/a,dst=/b,volume-nocopy", "volume-nocopy is for a mount of type volume, not bind"),
        (
            "type=bind,src=/a,dst=/b,bind-propagation=rslav",
            r"'rslav' is not one of private.*did you mean rslave",
        ),
        ("type=tmpfs,dst=/b,tmpfs-mode=9", "'9' is not an octal number"),
        ("type=tmpfs,dst=/b,tmpfs-size=lots", "tmpfs-size: 'lots' is not a size"),
    ],
)
def test_wrong_mount_flags(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_long_mount(text)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("/t", {}),
        ("/t:size=64m,mode=700,ro", {"size": 64 << 20, "mode": 0o700, "readOnly": True}),
        ("/t:rw,exec,uid=5,nr_inodes=1k", {"readOnly": False, "options": ["exec", "uid=5", "nr_inodes=1k"]}),
    ],
)
def test_tmpfs_flags(text: str, fields: dict[str, Any]) -> None:
    whole = {"type": "tmpfs", "target": "/t", **fields}
    assert parse_tmpfs(text) == whole
    Mount.model_validate(whole)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "tmpfs", "target": "/t", "propagation": "shared"}, "propagation is for bind only"),
        ({"type": "bind", "source": "/a", "target": "/t", "size": 1}, "size is for tmpfs only"),
        ({"type": "volume", "source": "v", "target": "/t", "subpath": "../x"}, "without '..'"),
        (
            {"type": "image", "source": "a", "target": "/t", "subpath": "x/../y"},
            "inside the image without '..'",
        ),
        ({"type": "image", "target": "/t"}, "needs the image's name"),
        ({"type": "tmpfs", "target": "/t", "subpath": "x"}, "subpath is for volume or image only"),
        ({"type": "bind", "source": "/a", "target": "/t", "recursive": "readonly"}, "needs readOnly"),
        (
            {
                "type": "bind",
                "source": "/a",
                "target": "/t",
                "recursive": "readonly",
                "readOnly": True,
                "propagation": "rslave",
            },
            "needs propagation rprivate",
        ),
        ({"type": "volume", "target": "/t", "driverOptions": {"tpye": "nfs"}}, "did you mean type"),
        ({"type": "tmpfs", "target": "/t", "labels": {"a": "b"}}, "labels is for volume only"),
        (
            {"type": "bind", "source": "/a", "target": "/t", "recursive": "writable"},
            "only for a mount with readOnly",
        ),
        ({"type": "tmpfs", "target": "/t", "options": ["bogus"]}, "'bogus' is not an option of a tmpfs"),
    ],
)
def test_fields_that_do_not_go_together(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Mount.model_validate(fields)


_PIECES = st.sampled_from(
    [
        "type",
        "src",
        "dst",
        "ro",
        "bind-recursive",
        "volume-opt",
        "tmpfs-mode",
        "=",
        "=a",
        "=/a",
        ",",
        '"',
        ":",
        "é",
        "\n",
        "\r",
        "z",
    ]
)


@given(st.lists(_PIECES, max_size=12).map("".join))
def test_any_text_is_a_mount_or_a_mistake_that_is_told(text: str) -> None:
    for parse in (parse_long_mount, parse_mount, parse_tmpfs):
        with contextlib.suppress(ValueError):
            fields = parse(text)
            assert isinstance(fields, dict)
            assert fields["target"]


@pytest.mark.parametrize(
    ("text", "target"), [("/t", "/t"), ("/t/", "/t"), ("//t/./u", "/t/u"), ("/t/a b", "/t/a b")]
)
def test_a_target_is_written_in_one_way(text: str, target: str) -> None:
    assert Mount.model_validate({"type": "volume", "target": text}).target == target


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("t", "target 't' must be an absolute path of the container"),
        ("/", "target '/' must be a path below / without '..'"),
        ("/./", "must be a path below /"),
        ("/t/../u", "without '..'"),
    ],
)
def test_wrong_targets(text: str, words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        Mount.model_validate({"type": "volume", "target": text})


def test_two_mounts_at_one_place_are_one_too_many() -> None:
    with pytest.raises(ValidationError, match="two mounts with the same target"):
        ContainerSpec.model_validate({"image": "box:1", "mounts": ["a:/x/", "b:/x"]})


def test_volumes_of_plugins_are_made_for_mounts() -> None:
    mount = Mount.model_validate(parse_long_mount("src=a,dst=/b,volume-driver=shelf,volume-opt=mode=750"))
    assert make_volume_spec(mount) == VolumeSpec(driver="shelf", driver_options={"mode": "750"})
    with pytest.raises(ValidationError, match="'no/name' is not a name"):
        Mount.model_validate({"type": "volume", "target": "/b", "driver": "no/name"})


@pytest.mark.parametrize("text", ["x/y:/data", "a/:/data"])
def test_a_relative_path_is_no_name_of_a_volume(text: str) -> None:
    with pytest.raises(ValidationError, match=r"is neither the name of a volume nor an absolute path"):
        ContainerSpec.model_validate({"image": "box:1", "mounts": [text]})
