"""Docker's verbs for images, disk usage, clearing up, logins."""

import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from controller.cli.tables import render_size
from tests.e2e.conftest import IMAGE
from tests.machine import PROGRAM, Machine, wait_for
from tests.registries.debian import running_registry


def _read_id(machine: Machine, name: str) -> str:
    identity: str = machine.get("image", name)["status"]["id"]
    return identity


def _list_names(machine: Machine, *flags: str) -> list[str]:
    return machine.succeed("images", "--format", "{{.Repository}}:{{.Tag}}", *flags).split()


@pytest.fixture
def fresh(machine: Machine) -> Iterator[str]:
    """An image of its own, with a name; nothing of it is left."""
    machine.succeed(
        "import", str(machine.make_image_archive()), "fresh:1", "-c", "ENV FRESH=1", "-c", "LABEL kind=fresh"
    )
    yield "fresh:1"
    for name in _list_names(machine, "--filter", "label=kind=fresh"):
        if not name.startswith("<"):
            machine.succeed("rmi", name)
    machine.succeed("image", "prune", "-f")


def test_an_image_has_names(machine: Machine, fresh: str) -> None:
    identity = _read_id(machine, fresh)
    machine.succeed("tag", fresh, "reg.example/team/fresh:2")
    machine.succeed("tag", identity[7:19], "third")
    assert set(_list_names(machine, "-f", "label=kind=fresh")) == {
        *("fresh:1", "reg.example/team/fresh:2", "third:latest"),
    }
    assert _list_names(machine, "reg.example/*/*") == ["reg.example/team/fresh:2"]
    assert machine.succeed("images", "-q", "--no-trunc", "fresh").split() == [identity]
    (document,) = json.loads(machine.succeed("image", "inspect", "third"))
    assert (document["Id"], document["Config"]["Env"]) == (identity, ["FRESH=1"])
    assert machine.succeed("image", "inspect", "-f", "{{.Architecture}} {{.Os}}", identity[:19]) != ""
    assert machine.succeed("run", "--rm", identity[7:19], "sh", "-c", "echo $FRESH") == "1\n"
    refused = machine.hold("rmi", identity[7:19])
    assert (refused.returncode, "third:latest" in refused.stderr) == (1, True)
    assert machine.succeed("rmi", "third") == "Untagged: third:latest\n"
    answer = machine.succeed("rmi", "-f", identity[7:19])
    assert answer.splitlines()[-1] == f"Deleted: {identity}"
    assert machine.hold("image", "inspect", identity).returncode == 1


def test_removal_of_what_is_used_names_the_user(machine: Machine, fresh: str) -> None:
    machine.succeed("create", "--name", "user", fresh, "true")
    refused = machine.hold("rmi", "-f", fresh)
    assert (refused.returncode, "Container/user" in refused.stderr) == (1, True)
    machine.succeed("rm", "user")


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Serve files over HTTP."""
    listen = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), listen) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_import_tells_when_and_why(machine: Machine, fresh: str) -> None:
    with machine.make_image_archive().open() as archive:
        answer = subprocess.run(
            [PROGRAM, "import", "-q", "-m", "a note", "--platform", "linux/arm64", "-", "noted"],
            env=machine.environment,
            stdin=archive,
            capture_output=True,
            text=True,
            check=True,
        )
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", answer.stdout)
    assert (
        machine.succeed("history", "--format", "{{.CreatedBy}} {{.Comment}}", "noted")
        == "hold import a note\n"
    )
    assert machine.get("image", "noted")["status"]["architecture"] == "arm64"
    sizes = machine.succeed("image", "history", "--human=false", "--format", "{{.Size}}", fresh).split()
    assert sum(map(int, sizes)) == machine.get("image", fresh)["status"]["size"]
    machine.succeed("rmi", "noted")
    with _serving(machine.make_image_archive().parent) as address:
        machine.succeed("import", f"{address}/image.tar", "fetched")
        assert "404" in machine.hold("import", f"{address}/nosuch.tar", "nosuch").stderr
    assert _read_id(machine, "fetched") != ""
    machine.succeed("rmi", "fetched")
    assert "not a platform" in machine.hold("import", "--platform", "x/y/z/w", "/dev/null", "bad").stderr


def test_dangling_content_is_shown_until_it_is_pruned(machine: Machine, fresh: str, scratch: Path) -> None:
    """What a running container stands on goes after it."""
    other = scratch / "other.tar"
    other.write_bytes(machine.make_image_archive().read_bytes())
    with tarfile.open(other, "a") as archive:
        archive.add(__file__, "etc/more")
    machine.succeed("import", str(other), fresh, "-c", "LABEL kind=fresh")
    before = _read_id(machine, fresh)
    machine.succeed("run", "-d", "--name", "holder", fresh, "sleep", "1000")
    (layer,) = machine.get("image", fresh)["status"]["layers"]
    layer_path = machine.root_path / "images/layers" / layer.replace(":", "-")
    machine.succeed("import", str(machine.make_image_archive()), fresh, "-c", "LABEL kind=fresh")
    assert _read_id(machine, fresh) != before
    assert before in machine.succeed("images", "-q", "--no-trunc", "-f", "dangling=true").split()
    assert before not in machine.succeed("image", "prune", "-f")
    refused = machine.hold("rmi", before)
    assert (refused.returncode, "Container/holder" in refused.stderr) == (1, True)
    machine.succeed("tag", before, "again:1")
    assert machine.succeed("rmi", "again:1") == "Untagged: again:1\n"
    assert machine.succeed("exec", "holder", "cat", "/etc/more") == Path(__file__).read_text()
    machine.succeed("rm", "-f", "holder")
    assert layer_path.is_dir()
    assert before in machine.succeed("image", "prune", "--dry-run")
    answer = machine.succeed("image", "prune", "-f")
    assert before in answer
    assert "Total reclaimed space: 0B" not in answer
    assert not layer_path.exists()
    assert machine.succeed("images", "-q", "-f", "dangling=true") == ""


def _measure(machine: Machine) -> dict[str, Any]:
    lines = machine.succeed("system", "df", "--format", "json").splitlines()
    return {row["Type"]: row for row in map(json.loads, lines)}


def _du(path: Path) -> str:
    # It complains of files that go while it counts.
    answer = subprocess.run(["du", "-s", "-B1", str(path)], check=False, capture_output=True, text=True)
    return answer.stdout.split()[0]


def test_disk_usage_is_that_of_du(machine: Machine) -> None:
    script = "dd if=/dev/urandom of=/own bs=1M count=3; dd if=/dev/urandom of=/data/x bs=1M count=2"
    machine.succeed("run", "--name", "writer", "-v", "df-data:/data", IMAGE, "sh", "-c", script)
    found = json.loads(machine.succeed("system", "df", "-v", "--format", "json"))
    uid = machine.get("container", "writer")["metadata"]["uid"]
    volume = machine.get("volume", "df-data")["metadata"]["uid"]
    rows = {
        "writer": (
            next(each for each in found["Containers"] if each["Names"] == "writer"),
            f"containers/{uid}",
        ),
        "df-data": (
            next(each for each in found["Volumes"] if each["Name"] == "df-data"),
            f"volumes/{volume}",
        ),
    }
    for row, path in rows.values():
        assert row["Size"] == _render(_du(machine.root_path / path))
    # What was removed before goes in the background.
    images_path = machine.root_path / "images"
    wait_for(lambda: _measure(machine)["Images"]["Size"] == _render(_du(images_path)), "du's size")
    totals = _measure(machine)
    assert totals["Local Volumes"]["Reclaimable"].startswith("0B")
    machine.succeed("rm", "writer")
    machine.succeed("volume", "rm", "df-data")


def _render(size: str) -> str:
    return render_size(int(size), digits=4)


def test_pruning_takes_what_nobody_needs_and_no_more(machine: Machine, fresh: str) -> None:
    machine.succeed("run", "-d", "--name", "stays", IMAGE, "sleep", "1000")
    machine.succeed("network", "create", "spare")
    machine.succeed(
        "run", "--name", "ended", "--network", "spare", "-v", "named:/n", "-v", "/anonymous", fresh, "true"
    )
    assert machine.hold("system", "prune", "--volumes", stdin="n\n").returncode == 1
    assert machine.hold("network", "prune", "-f").stdout == "nothing to remove\n"
    answer = machine.succeed("system", "prune", "--volumes", "-a", "-f")
    for told in ("Deleted Containers:", "Deleted Networks:\nspare", "Deleted Volumes:", f"untagged: {fresh}"):
        assert told in answer
    assert machine.get("volume", "named") != {}
    assert machine.get("image", IMAGE) != {}
    assert machine.get("network", "bridge") != {}
    assert machine.succeed("volume", "prune", "-a", "-f").splitlines()[:2] == ["Deleted Volumes:", "named"]
    assert machine.succeed("exec", "stays", "echo", "on") == "on\n"
    machine.succeed("rm", "-f", "stays")


_REFUSED_LOGINS = {
    "-u ann -p x --password-stdin": "mutually exclusive",
    "--password-stdin": "add --username",
    "-u ann": "no terminal",
    "-u ann --password-stdin": "no password",
    "reg_istry -u ann -p x": "not a registry",
}


def test_a_login_is_kept_where_docker_keeps_it(machine: Machine, scratch: Path) -> None:
    machine.environment["DOCKER_CONFIG"] = str(scratch / "docker")
    for words, told in _REFUSED_LOGINS.items():
        assert told in machine.hold("login", *words.split()).stderr
    with running_registry(scratch / "registry", login=("ann", "s3cret")) as registry:
        wrong = machine.hold("login", registry.name, "-u", "ann", "--password-stdin", stdin="wrong\n")
        assert (wrong.returncode, (scratch / "docker").exists()) == (1, False)
        answer = machine.hold("login", registry.name, "-u", "ann", "--password-stdin", stdin="s3cret\n")
        assert (answer.returncode, answer.stdout) == (0, "Login Succeeded\n")
        assert "unencrypted" in answer.stderr
        machine.succeed("tag", IMAGE, f"{registry.name}/box:1")
        machine.succeed("push", f"{registry.name}/box:1")
        machine.succeed("rmi", f"{registry.name}/box:1")
        listing = ("list-tags", "--tls-verify=false", "--authfile", str(scratch / "docker/config.json"))
        assert json.loads(registry.skopeo(*listing, f"docker://{registry.name}/box"))["Tags"] == ["1"]
        assert "existing" in machine.hold("login", registry.name).stderr
        machine.succeed("logout", registry.name)
        refused = machine.hold("pull", f"{registry.name}/box:1")
        assert (refused.returncode, "hold login" in refused.stderr) == (1, True)
    del machine.environment["DOCKER_CONFIG"]
