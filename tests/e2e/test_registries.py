"""Registries as users meet them: pull, push, run, declare; and images that Docker and Podman take over."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.machine import Machine, wait_for
from tests.registries.debian import RegistryServer, running_registry
from tests.registries.layouts import make_image, write_layout
from tests.registries.misbehaving import Fault, misbehaving_beside
from tests.registries.programs import running_docker, usable_podman

EXAMPLE_PATH = Path(__file__).parents[2] / "manifests/images.yaml"
LOGIN = ("me", "secret words")
HELLO = "hello from a registry\n"


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that says hello, as skopeo reads it."""
    path = tmp_path_factory.mktemp("images") / "layout"
    busybox = {"bin/busybox": Path("/bin/busybox").read_bytes()}
    image = make_image(
        [busybox, {"etc/more": b"more"}],
        config={"Cmd": ["/bin/busybox", "echo", "hello from a registry"]},
    )
    write_layout(path, {"hello": image})
    return f"oci:{path}:hello"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RegistryServer]:
    with running_registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RegistryServer]:
    with running_registry(tmp_path / "guarded", login=LOGIN) as running:
        yield running


def remove_images(machine: Machine, server: RegistryServer) -> None:
    names = machine.succeed("get", "images", "-o", "name").split()
    machine.succeed("delete", "--force", *(name for name in names if server.name in name))


def test_run_pulls_what_is_missing_and_only_that(
    machine: Machine, server: RegistryServer, layout: str
) -> None:
    server.copy_in(layout, "shop:1")
    name = f"{server.name}/shop:1"
    first = machine.hold("run", "--rm", name)
    assert (first.returncode, first.stdout) == (0, HELLO), first.stderr
    assert "Pull complete" in first.stderr
    second = machine.hold("run", "--rm", name)
    assert (second.stdout, second.stderr) == (HELLO, "")
    fed = machine.hold("run", "--rm", "-i", f"{server.name}/shop:2", "/bin/busybox", "cat", stdin="typed\n")
    assert fed.returncode == 125
    server.copy_in(layout, "shop:2")
    fed = machine.hold("run", "--rm", "-i", f"{server.name}/shop:2", "/bin/busybox", "cat", stdin="typed\n")
    assert fed.stdout == "typed\n"
    asked = server.count_requests("GET", "/v2/shop/manifests/1")
    assert machine.hold("run", "--rm", "--pull", "always", "-q", name).stdout == HELLO
    assert server.count_requests("GET", "/v2/shop/manifests/1") == asked + 1
    for words, told in (
        (("--pull", "never", f"{server.name}/shop:3"), "does not exist"),
        ((f"{server.name}/shop:3",), "manifest unknown"),
        (("nosuch.invalid/shop",), "can't be reached"),
        (("UPPER",), "lower-case"),
    ):
        refused = machine.hold("run", "--rm", *words)
        assert (refused.returncode, told in refused.stderr) == (125, True), refused.stderr
    remove_images(machine, server)


def test_pull_push_search(machine: Machine, server: RegistryServer, layout: str) -> None:
    for tag in ("1", "2"):
        server.copy_in(layout, f"shop:{tag}")
    told = machine.succeed("pull", f"{server.name}/shop:1")
    assert "Status: Downloaded newer image" in told
    assert "Digest: sha256:" in told
    assert machine.succeed("pull", "-q", f"{server.name}/shop:1") == f"{server.name}/shop:1\n"
    assert f"{server.name}/shop:2\n" in machine.succeed("pull", "-a", f"{server.name}/shop")
    machine.succeed("tag", f"{server.name}/shop:1", f"{server.name}/other/shop:9")
    pushed = machine.succeed("push", f"{server.name}/other/shop:9")
    assert "Mounted from shop" in pushed
    assert pushed.splitlines()[-1].startswith("9: digest: sha256:")
    assert "other/shop" in machine.succeed("search", f"{server.name}/other")
    tags = json.loads(machine.succeed("search", "--list-tags", "--format", "json", f"{server.name}/shop"))
    assert sorted(tags["tags"]) == ["1", "2"]
    for words, told in (
        (("pull", "UPPER"), "lower-case"),
        (("pull", "--platform", "x/y/z/w", "shop"), "is not a platform"),
        (("push", f"{server.name}/nosuch:1"), "hold tag"),
    ):
        refused = machine.hold(*words)
        assert (refused.returncode, told in refused.stderr) == (1, True), refused.stderr
    remove_images(machine, server)


def test_a_declared_container_waits_for_its_image_and_a_login(
    machine: Machine, guarded: RegistryServer, layout: str, tmp_path: Path
) -> None:
    name = f"{guarded.name}/shop:late"
    manifest = {"kind": "Container", "metadata": {"name": "late"}, "spec": {"image": name}}
    machine.succeed("apply", "-f", "-", stdin=json.dumps(manifest))

    def find_message(kind: str, object_name: str) -> str:
        conditions = machine.get(kind, object_name).get("status", {}).get("conditions", [])
        return " ".join(condition.get("message", "") for condition in conditions)

    wait_for(lambda: "hold login" in find_message("container", "late"), "the registry's words")
    guarded.copy_in(layout, "shop:late")
    config_path = tmp_path / "docker"
    machine.environment["DOCKER_CONFIG"] = str(config_path)
    machine.succeed("login", "-u", LOGIN[0], "--password-stdin", guarded.name, stdin=LOGIN[1])
    machine.succeed("pull", "-q", name)
    wait_for(lambda: machine.hold("logs", "late").stdout == HELLO, "the container")
    kept = [path for path in machine.root_path.rglob("*") if path.is_file() and "layers" not in path.parts]
    assert [path for path in kept if LOGIN[1].encode() in path.read_bytes()] == []
    assert LOGIN[1] not in machine.read_log()
    machine.succeed("rm", "late")
    remove_images(machine, guarded)


def test_a_daemon_that_is_killed_while_it_pulls_begins_again(machine: Machine) -> None:
    random = Random(7)
    image = make_image([{f"large/{index}": random.randbytes(1 << 20) for index in range(3)}, {"small": b"2"}])
    large = image.layer_digests[0]
    images_path = machine.root_path / "images"

    def list_partials() -> list[Path]:
        return [*images_path.glob("*/.partial-*")]

    machine.import_image("other:1")
    with misbehaving_beside(image) as registry:
        registry.fail(large, Fault(hangs=True, after_bytes=2 << 20))
        name = f"{registry.name}/shop:1"
        manifest = {"kind": "Image", "metadata": {"name": name}, "spec": {"source": {"registry": name}}}
        machine.succeed("apply", "-f", "-", stdin=json.dumps(manifest))
        wait_for(lambda: [*images_path.glob("layers/.partial-*/large/1")], "most of a layer")
        machine.succeed("rmi", "other:1")  # which collects what nobody needs
        assert machine.get("image", name)["status"]["conditions"][0]["reason"] == "Pulling"
        assert len(list_partials()) == 2

        machine.kill_daemon()
        machine.start_daemon()
        machine.succeed("wait", "--for=condition=Ready", f"image/{name}")
        assert list_partials() == []
        status = machine.get("image", name)["status"]
        below = images_path / "layers" / status["layers"][0].replace(":", "-") / "large"
        assert [path.stat().st_size for path in below.iterdir()] == [1 << 20] * 3
        assert [path for path, _ in registry.asked].count(f"/v2/shop/blobs/{large}") == 2
        machine.succeed("delete", f"image/{name}")


def test_the_example_comes_up_once_its_images_are_there(
    machine: Machine, layout: str, tmp_path: Path
) -> None:
    text = EXAMPLE_PATH.read_text().replace("/srv/tools.tar", str(machine.make_image_archive()))
    machine.succeed("apply", "-f", "-", stdin=text)
    with running_registry(tmp_path / "registry", port=5000) as server:
        for tag in ("1", "latest"):
            server.copy_in(layout, f"hello:{tag}")
        names = ("greeter", "toolbox", "newest")
        machine.succeed("wait", "--for=condition=Ready", *(f"container/{name}" for name in names))
        assert machine.get("image", "localhost:5000/hello:latest")["metadata"].get("manager", "") == ""
    machine.succeed("delete", "-f", "-", "--grace-period", "0", stdin=text)
    machine.succeed("rmi", "localhost:5000/hello:latest")


@pytest.mark.needs("podman")
def test_podman_runs_what_hold_pushed_and_the_other_way_round(
    machine: Machine, server: RegistryServer, layout: str, tmp_path: Path
) -> None:
    server.copy_in(layout, "shop:1")
    machine.succeed("pull", "-q", f"{server.name}/shop:1")
    machine.succeed("tag", f"{server.name}/shop:1", f"{server.name}/ours:1")
    machine.succeed("push", "-q", f"{server.name}/ours:1")
    with usable_podman(tmp_path) as podman:
        podman.move("pull", f"{server.name}/ours:1")
        assert podman.run("run", "--rm", "--network", "none", f"{server.name}/ours:1") == HELLO
        podman.run("tag", f"{server.name}/ours:1", f"{server.name}/theirs:1")
        podman.run("push", "--format", "v2s2", *podman.insecure, f"{server.name}/theirs:1")
    ran = machine.hold("run", "--rm", "-q", f"{server.name}/theirs:1")
    assert ran.stdout == HELLO, ran.stderr
    remove_images(machine, server)


@pytest.mark.needs("dockerd")
def test_docker_runs_what_hold_pushed_and_the_other_way_round(
    machine: Machine, server: RegistryServer, layout: str, tmp_path: Path
) -> None:
    server.copy_in(layout, "shop:1")
    machine.succeed("import", str(machine.make_image_archive()), f"{server.name}/imported:1")
    for name in ("shop:1", "imported:1"):
        machine.succeed("wait", "--for=condition=Ready", f"image/{server.name}/imported:1")
        if name == "shop:1":
            machine.succeed("pull", "-q", f"{server.name}/{name}")
        machine.succeed("tag", f"{server.name}/{name}", f"{server.name}/ours/{name}")
        machine.succeed("push", "-q", f"{server.name}/ours/{name}")
    with running_docker(tmp_path) as docker:
        for name in ("shop:1", "imported:1"):
            docker.move("pull", f"{server.name}/ours/{name}")
        assert docker.run("run", "--rm", "--network", "none", f"{server.name}/ours/shop:1") == HELLO
        docker.run("tag", f"{server.name}/ours/shop:1", f"{server.name}/theirs:1")
        docker.move("push", f"{server.name}/theirs:1")
    ran = machine.hold("run", "--rm", "-q", f"{server.name}/theirs:1")
    assert ran.stdout == HELLO, ran.stderr
    remove_images(machine, server)
