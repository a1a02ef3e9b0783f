"""What containers use, and what images made of them say: from facts to what people see."""

import os
from pathlib import Path

import pytest

from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.cgroups.gauges import select_processes
from controller.kernel.cgroups.usage import CgroupUsage, find_number, parse_v1_blocks, parse_v2_blocks
from controller.kernel.network.traffic import Bytes
from controller.model.container import Container
from controller.model.ids import Uid
from controller.model.image import ImageConfig
from controller.plan.commit import derive_config
from controller.plan.stats import UsageSample, derive_cpu_percent, derive_working_set


def sample(taken_at_s: float, cpu_s: float) -> UsageSample:
    return UsageSample(uid=Uid("1"), taken_at_s=taken_at_s, cpu_s=cpu_s)


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    [
        (None, sample(1, 9), 0.0),
        (sample(1, 1), sample(2, 1.5), 50.0),
        (sample(1, 1), sample(1.5, 2), 200.0),
        (sample(1, 1), sample(1, 2), 0.0),
        (sample(1, 5), sample(2, 1), 0.0),
    ],
)
def test_processor_time_is_a_share_of_one_processor(
    before: UsageSample | None, after: UsageSample, percent: float
) -> None:
    assert derive_cpu_percent(before, after) == percent


@pytest.mark.parametrize(("inactive", "size"), [(30, 70), (400, 0)])
def test_file_pages_that_rest_do_not_count(inactive: int, size: int) -> None:
    assert derive_working_set(100, inactive) == size


@pytest.mark.parametrize(("name", "number"), [(b"a", 1), (b"aa", 2), (b"last", 3), (b"none", 0), (b"as", 0)])
def test_one_number_is_found_among_many(name: bytes, number: int) -> None:
    assert find_number(b"a 1\naa 2\nlast 3\n", name) == number


def test_blocks_are_summed_over_devices() -> None:
    v1 = b"8:0 Read 100\n8:0 Write 7\n8:0 Sync 3\n8:16 Read 1\nTotal 111\n"
    assert parse_v1_blocks(v1) == (101, 7)
    assert parse_v2_blocks(b"8:0 rbytes=100 wbytes=7 rios=3\n8:16 rbytes=1 wbytes=0\n") == (101, 7)
    assert parse_v1_blocks(b"") == parse_v2_blocks(b"") == (0, 0)


def test_processes_of_others_are_left_out() -> None:
    output = "USER   PID CMD\nroot     1 init\nweb     22 sleep 9 9\nweb    222 sleep\n"
    table = select_processes(output, {"22"})
    assert (table.titles, table.rows) == (("USER", "PID", "CMD"), (("web", "22", "sleep 9 9"),))


V1 = {
    "cpuacct/cpuacct.usage": "2500000000\n",
    "memory/memory.usage_in_bytes": "5000\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.stat": "cache 7\ntotal_inactive_file 1000\n",
    "pids/pids.current": "3\n",
    "blkio/blkio.throttle.io_service_bytes_recursive": "8:0 Read 10\n8:0 Write 20\nTotal 30\n",
}
V2 = {
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
    "memory.current": "5000\n",
    "memory.max": "max\n",
    "memory.stat": "anon 1\ninactive_file 1000\n",
    "pids.current": "3\n",
    "io.stat": "8:0 rbytes=10 wbytes=20 rios=1\n",
}


@pytest.mark.parametrize(("files", "unified"), [(V1, False), (V2, True)])
def test_both_versions_of_cgroups_tell_the_same(tmp_path: Path, files: dict[str, str], unified: bool) -> None:
    v1_paths = (
        {} if unified else {name.partition("/")[0]: f"{tmp_path}/{name.partition('/')[0]}" for name in files}
    )
    cgroups = Cgroups(
        instance="hold", mount_paths=(), v1_paths=v1_paths, unified_path=str(tmp_path) if unified else None,
        hybrid=False,
    )  # fmt: skip
    for name, text in files.items():
        tree, slash, file = name.rpartition("/")
        path = tmp_path / f"{tree}{slash}hold/1/{file}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = CgroupUsage(cgroups).read(Uid("1"), Bytes(received=7, sent=8))
    assert (found.cpu_s, found.memory_bytes, found.pids) == (2.5, 4000, 3)
    assert found.memory_limit_bytes == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert (found.block_read_bytes, found.block_written_bytes) == (10, 20)
    assert (found.network_received_bytes, found.network_sent_bytes) == (7, 8)


def describe(**spec: object) -> Container:
    metadata = {"name": "web", "labels": {"own": "1"}}
    return Container.model_validate({"metadata": metadata, "spec": {"image": "box:1", **spec}})


IMAGE = ImageConfig(
    entrypoint=("/init",), command=("serve",), environment={"A": "1", "B": "1"}, user="web", labels={"old": "1"},
    exposed_ports=("80/tcp",),
)  # fmt: skip


def test_an_image_keeps_how_its_container_was_run() -> None:
    container = describe(command=["shell"], environment={"B": "2"}, ports=["8080:81"], workingDir="/srv")
    config = derive_config(container, IMAGE, ImageConfig(environment={"C": "3"}, labels={"new": "1"}))
    assert (config.entrypoint, config.command) == (("/init",), ("shell",))
    assert config.environment == {"A": "1", "B": "2", "C": "3"}
    assert config.labels == {"old": "1", "own": "1", "new": "1"}
    assert config.exposed_ports == ("80/tcp", "81/tcp")
    assert (config.user, config.working_dir) == ("web", "/srv")


def test_an_entrypoint_makes_the_command_below_void() -> None:
    config = derive_config(describe(entrypoint=["/mine"]), IMAGE, ImageConfig())
    assert (config.entrypoint, config.command) == (("/mine",), None)
    changed = derive_config(describe(command=["x"]), IMAGE, ImageConfig(command=("changed",)))
    assert (changed.entrypoint, changed.command) == (("/init",), ("changed",))
