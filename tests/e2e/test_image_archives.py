"""Images to archives and back, as a user does it, and with the daemon killed in between."""

import json
import os
import random
import subprocess
import threading
from pathlib import Path

from tests.e2e.conftest import IMAGE
from tests.kernel.image_builder import make_entry, make_image, make_layer, pack, write_docker_archive
from tests.machine import Machine


def test_an_image_goes_out_and_comes_back(machine: Machine, scratch: Path) -> None:
    archive_path = scratch / "box.tar"
    machine.succeed("tag", IMAGE, "reg.local:5000/box:2")
    assert machine.succeed("save", "-o", str(archive_path), IMAGE, "reg.local:5000/box:2") == ""
    saved = machine.get("image", IMAGE)["status"]
    machine.succeed("rmi", "-f", "reg.local:5000/box:2")
    assert machine.succeed("load", "-i", str(archive_path)).splitlines() == [
        f"Loaded image: {IMAGE}",
        "Loaded image: reg.local:5000/box:2",
    ]
    loaded = machine.get("image", "reg.local:5000/box:2")
    assert loaded["status"]["id"] == saved["id"]
    assert loaded["status"]["digest"] == saved["digest"]
    assert machine.succeed("run", "--rm", "--network", "none", "reg.local:5000/box:2", "echo", "hi") == "hi\n"
    manifest = """
apiVersion: hold/v1
kind: Image
metadata: {name: "reg.local:5000/box:2"}
spec:
  source: {archive: %s}
"""
    machine.succeed("apply", "-f", "-", stdin=manifest % archive_path)
    machine.succeed("wait", "--for=condition=Ready", "image/reg.local:5000/box:2")
    assert machine.get("image", "reg.local:5000/box:2")["status"]["id"] == saved["id"]
    with archive_path.open("rb") as archive:
        answer = subprocess.run(["gzip", "-1c"], stdin=archive, capture_output=True, check=True).stdout
    (scratch / "box.tar.gz").write_bytes(answer)
    told = machine.succeed("image", "load", "-q", "-i", str(scratch / "box.tar.gz"))
    assert told == f"Loaded image: {IMAGE}\nLoaded image: reg.local:5000/box:2\n"
    machine.succeed("rmi", "reg.local:5000/box:2")


def test_what_can_not_be_loaded_or_saved_is_said(machine: Machine, scratch: Path) -> None:
    (scratch / "no.tar").write_bytes(pack([make_entry("etc/passwd", b"")]))
    for arguments, reason in (
        (("load", "-i", str(scratch / "gone.tar")), "gone.tar can't be read"),
        (("load", "-i", str(scratch / "no.tar")), "no image archive"),
        (("save", "-o", str(scratch / "out.tar"), "nothing:1"), "nothing:1 does not exist"),
        (("save", "-o", str(scratch / "no/such/out.tar"), IMAGE), "can't be written"),
    ):
        answer = machine.hold(*arguments)
        assert answer.returncode == 1
        assert reason in answer.stderr
    assert not list(scratch.glob("*out.tar*"))


def test_a_daemon_that_is_killed_while_it_loads_leaves_nothing_half(machine: Machine, scratch: Path) -> None:
    entries = [make_entry(f"folder/{index}", os.urandom(20_000)) for index in range(300)]
    layers = [make_layer(pack(entries[start::2])) for start in range(2)]
    image = make_image(*layers)
    path = write_docker_archive(scratch / "large.tar", {"large:1": image})
    chance = random.Random(7)
    for _ in range(2):
        killer = threading.Timer(chance.uniform(0.1, 1.0), machine.kill_daemon)
        killer.start()
        answer = machine.hold("load", "-q", "-i", str(path))
        killer.join()
        machine.start_daemon()
        names = machine.succeed("images", "--format", "{{.Repository}}").split()
        assert "large" in names or answer.returncode != 0
        assert list((machine.root_path / "images/layers").glob(".partial-*")) == []
        for facts in (machine.root_path / "images/facts").iterdir():
            assert (machine.root_path / "images/layers" / facts.name).is_dir()
    machine.succeed("load", "-q", "-i", str(path))
    status = machine.get("image", "large:1")["status"]
    assert tuple(status["layers"]) == image.chain_ids
    found = [
        len(list((machine.root_path / "images/layers" / layer.replace(":", "-") / "folder").iterdir()))
        for layer in status["layers"]
    ]
    assert found == [150, 150]
    assert json.loads(machine.succeed("image", "inspect", "large:1"))[0]["RootFS"]["Layers"]
    machine.succeed("rmi", "large:1")
