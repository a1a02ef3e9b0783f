"""Limits: what is wanted, what differs, what is written to the files of cgroups."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.model.container import ContainerSpec
from controller.model.limits import DeviceLimits, HostLimits, LimitFacts, LimitsWant, LimitValues
from controller.model.resources import Resources, Ulimit
from controller.plan.cgroup_files import (
    BFQ_WEIGHT_V1,
    BFQ_WEIGHT_V2,
    WEIGHT_V2,
    render_v1,
    render_v2,
    restore_weight,
)
from controller.plan.limits import (
    derive_limits,
    describe_limits,
    find_differences,
    foresee_limits,
    list_shortfalls,
    normalise_list,
)
from controller.plan.oci.limits import render_limits, render_rlimits

MIB = 1 << 20
HOST = HostLimits(
    inherited=LimitValues(
        memory_swappiness=60, cpu_shares=1024, cpuset_cpus="0-3", cpuset_mems="0", block_io_weight=100
    )
)
NUMBERS = {"/dev/vda": "254:0", "/dev/vdb": "254:16"}
DISK = DeviceLimits(device="/dev/vda", weight=200, read_bps=MIB, write_iops=50)


def test_what_a_spec_asks_for() -> None:
    resources = Resources.model_validate(
        {
            "memory": "64MiB",
            "cpuQuota": 20000,
            "cpuPeriod": 40000,
            "cpusetCpus": "3,1,0",
            "blockIO": {"weight": 300, "devices": {"/dev/vda": {"readBps": "1MiB"}, "/dev/vdb": {}}},
        }
    )
    assert derive_limits(resources) == LimitsWant(
        memory_bytes=64 * MIB,
        memory_swap_bytes=128 * MIB,
        cpus=0.5,
        cpu_period_us=40000,
        cpuset_cpus="0-1,3",
        block_io_weight=300,
        devices=(DeviceLimits(device="/dev/vda", read_bps=MIB),),
    )


@pytest.mark.parametrize(
    ("memory_swap", "total"), [(None, 128 * MIB), (-1, None), ("64MiB", 64 * MIB), ("96MiB", 96 * MIB)]
)
def test_swap(memory_swap: object, total: int | None) -> None:
    resources = Resources.model_validate({"memory": "64MiB", "memorySwap": memory_swap})
    assert derive_limits(resources).memory_swap_bytes == total


@pytest.mark.parametrize(
    ("resources", "complaint"),
    [
        ({"memory": "5MiB"}, "greater than or equal to 6291456"),
        ({"memorySwap": "64MiB"}, "give memory too"),
        ({"memory": "64MiB", "memorySwap": "32MiB"}, "less than memory"),
        ({"memory": "64MiB", "memoryReservation": "128MiB"}, "more than memory"),
        ({"memorySwappiness": 101}, "less than or equal to 100"),
        ({"cpus": 1, "cpuQuota": 1000}, "cpus stands for"),
        ({"cpus": 0}, "greater than 0"),
        ({"cpuPeriod": 999}, "greater than or equal to 1000"),
        ({"cpusetCpus": "a"}, "is not a list of numbers"),
        ({"cpusetMems": "3-1"}, "is not a list of numbers"),
        ({"blockIO": {"weight": 5}}, "greater than or equal to 10"),
        ({"blockIO": {"devices": {"vda": {}}}}, "match pattern"),
    ],
)
def test_bad_limits_are_refused(resources: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Resources.model_validate(resources)


@pytest.mark.parametrize(
    ("short", "limits"),
    [(1024, (1024, 1024)), ("1024:2048", (1024, 2048)), ("unlimited", (-1, -1)), ("5:-1", (5, -1))],
)
def test_ulimits(short: object, limits: tuple[int, int]) -> None:
    spec = ContainerSpec.model_validate({"rootfs": "/", "ulimits": {"nproc": short}})
    assert (spec.ulimits["nproc"].soft, spec.ulimits["nproc"].hard) == limits


@pytest.mark.parametrize("wrong", ["x", "1:", "2:1", "-1:5", {"soft": 1}])
def test_bad_ulimits_are_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        ContainerSpec.model_validate({"rootfs": "/", "ulimits": {"nproc": wrong}})


def test_the_runtime_is_told() -> None:
    resources = Resources.model_validate(
        {"memory": "64MiB", "memorySwap": -1, "oomKillDisable": True, "cpuShares": 512, "pids": 9}
    )
    assert render_limits(resources) == {
        "memory": {"limit": 64 * MIB, "swap": -1, "disableOOMKiller": True},
        "cpu": {"shares": 512},
        "pids": {"limit": 9},
    }
    assert render_limits(Resources()) == {}
    assert render_rlimits({"core": Ulimit(soft=0, hard=-1)}) == [
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 2**64 - 1},
        {"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 524288},
    ]


LIMITS = st.builds(
    LimitsWant,
    memory_bytes=st.none() | st.integers(6 * MIB, 1 << 40),
    memory_swap_bytes=st.none() | st.integers(6 * MIB, 1 << 40),
    memory_swappiness=st.none() | st.integers(0, 100),
    oom_kill_disable=st.booleans(),
    cpus=st.none() | st.floats(0.01, 64),
    cpu_shares=st.none() | st.integers(2, 262144),
    cpuset_cpus=st.sampled_from([None, "0", "0-3"]),
    pids=st.none() | st.integers(1, 100),
    block_io_weight=st.none() | st.integers(10, 1000),
    devices=st.sampled_from([(), (DISK,)]),
)
HOSTS = st.sampled_from(
    [
        HOST,
        HostLimits(),
        HostLimits(absent=frozenset({"oom_kill_disable", "memory_swappiness"})),
        HostLimits(absent=frozenset({"devices", "block_io_weight", "memory_swap_bytes", "cpuset_cpus"})),
    ]
)


@given(want=LIMITS, before=LIMITS, host=HOSTS, weight=st.none() | st.just(100))
def test_nothing_differs_once_limits_are_set(
    want: LimitsWant, before: LimitsWant, host: HostLimits, weight: int | None
) -> None:
    facts = foresee_limits(before, LimitFacts(host=host, cpu_weight=weight))
    after = foresee_limits(want, facts)
    assert find_differences(want, after) == frozenset()
    assert render_v1(want, after, NUMBERS, BFQ_WEIGHT_V1) == render_v2(want, after, NUMBERS, WEIGHT_V2) == ()


@pytest.mark.parametrize(
    ("want", "facts"),
    [
        (LimitsWant(memory_bytes=10_000_000), LimitFacts(memory_bytes=9_998_336)),
        (LimitsWant(cpus=0.3333), LimitFacts(cpus=0.33330)),
        (LimitsWant(memory_swappiness=60, cpuset_cpus="0-3"), LimitFacts(host=HOST)),
        (LimitsWant(), LimitFacts(memory_swappiness=60, cpu_shares=1024, host=HOST)),
        (LimitsWant(cpu_shares=1024), LimitFacts(cpu_weight=39)),
    ],
)
def test_what_the_kernel_makes_of_a_value_is_no_difference(want: LimitsWant, facts: LimitFacts) -> None:
    assert find_differences(want, facts) == frozenset()


CASES: list[tuple[str, LimitsWant, LimitFacts, list[str], list[str]]] = [
    (
        "memory is lowered before memory with swap",
        LimitsWant(memory_bytes=64 * MIB, memory_swap_bytes=128 * MIB),
        LimitFacts(memory_bytes=256 * MIB, memory_swap_bytes=512 * MIB),
        [f"memory.limit_in_bytes {64 * MIB}", f"memory.memsw.limit_in_bytes {128 * MIB}"],
        [f"memory.max {64 * MIB}", f"memory.swap.max {64 * MIB}"],
    ),
    (
        "memory with swap is raised before memory",
        LimitsWant(memory_bytes=256 * MIB, memory_swap_bytes=512 * MIB),
        LimitFacts(memory_bytes=64 * MIB, memory_swap_bytes=128 * MIB),
        [f"memory.memsw.limit_in_bytes {512 * MIB}", f"memory.limit_in_bytes {256 * MIB}"],
        [f"memory.max {256 * MIB}", f"memory.swap.max {256 * MIB}"],
    ),
    (
        "limits are taken away",
        LimitsWant(),
        LimitFacts(memory_bytes=6 * MIB, memory_swap_bytes=6 * MIB, cpus=0.5, pids=7, cpuset_cpus="0", host=HOST),
        ["memory.memsw.limit_in_bytes -1", "memory.limit_in_bytes -1", "cpu.cfs_period_us 100000",
         "cpu.cfs_quota_us -1", "cpuset.cpus 0-3", "pids.max max"],
        ["memory.max max", "memory.swap.max max", "cpu.max max 100000", "cpuset.cpus 0-3", "pids.max max"],
    ),
    (
        "processors",
        LimitsWant(cpus=0.001, cpu_period_us=50000, cpu_shares=2048, cpuset_mems="0"),
        LimitFacts(host=HostLimits(inherited=LimitValues(cpuset_mems="0-1"))),
        ["cpu.cfs_period_us 50000", "cpu.cfs_quota_us 1000", "cpu.shares 2048", "cpuset.mems 0"],
        ["cpu.max 1000 50000", "cpu.weight 79", "cpuset.mems 0"],
    ),
    (
        "what version 1 alone has, reservation",
        LimitsWant(memory_swappiness=5, oom_kill_disable=True, memory_reservation_bytes=8 * MIB),
        LimitFacts(),
        [f"memory.soft_limit_in_bytes {8 * MIB}", "memory.swappiness 5", "memory.oom_control 1"],
        [f"memory.low {8 * MIB}"],
    ),
    (
        "block devices",
        LimitsWant(block_io_weight=500, devices=(DISK,)),
        LimitFacts(devices=(DeviceLimits(device="/dev/vdb", write_bps=MIB),), host=HOST),
        ["blkio.bfq.weight 500", "blkio.throttle.write_bps_device 254:16 0",
         f"blkio.throttle.read_bps_device 254:0 {MIB}", "blkio.throttle.write_iops_device 254:0 50",
         "blkio.bfq.weight_device 254:0 200"],
        ["io.bfq.weight default 500", "io.max 254:16 rbps=max wbps=max riops=max wiops=max",
         f"io.max 254:0 rbps={MIB} wbps=max riops=max wiops=50", "io.bfq.weight 254:0 200"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("want", "facts", "v1", "v2"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_what_is_written(want: LimitsWant, facts: LimitFacts, v1: list[str], v2: list[str]) -> None:
    writes = render_v1(want, facts, NUMBERS, BFQ_WEIGHT_V1)
    assert [f"{write.name} {write.value}" for write in writes] == v1
    unified = HostLimits(
        absent=frozenset({"memory_swappiness", "oom_kill_disable"}), inherited=facts.host.inherited
    )
    facts_v2 = LimitFacts(
        **{name: getattr(facts, name) for name in LimitValues.__dataclass_fields__},
        cpu_weight=100,
        host=unified,
    )
    writes = render_v2(want, facts_v2, NUMBERS, BFQ_WEIGHT_V2)
    assert [f"{write.name} {write.value}" for write in writes] == v2


@given(st.integers(10, 1000))
def test_a_weight_comes_back_from_io_weight(weight: int) -> None:
    want, facts = LimitsWant(block_io_weight=weight), LimitFacts()
    (write,) = render_v2(want, facts, {}, WEIGHT_V2)
    assert restore_weight(int(write.value.removeprefix("default ")), WEIGHT_V2) == weight


@given(st.sets(st.integers(0, 40), min_size=1))
def test_a_list_is_the_same_however_it_is_written(numbers: set[int]) -> None:
    text = normalise_list(",".join(map(str, numbers)))
    assert text == normalise_list(text)
    assert normalise_list("7,0-2,3") == "0-3,7"


def test_what_can_not_be_enforced_is_told() -> None:
    host = HostLimits(
        absent=frozenset({"memory_swap_bytes", "memory_swappiness"}),
        ulimits=(("nofile", 4096),),
        least_oom_score_adj=0,
    )
    spec = ContainerSpec.model_validate(
        {
            "rootfs": "/",
            "resources": {"memory": "64MiB", "memorySwappiness": 3},
            "ulimits": {"nofile": "10:-1", "nproc": 5},
            "oomScoreAdj": -500,
        }
    )
    assert list_shortfalls(spec, host) == [
        "memorySwappiness can't be limited by this host's kernel",
        "ulimit nofile unlimited is cut to 4096, the most that the daemon may give",
        "oomScoreAdj -500 is raised to 0, the least that the daemon may give",
    ]


def test_limits_in_words() -> None:
    assert describe_limits(LimitsWant()) == "none"
    text = describe_limits(LimitsWant(pids=7, oom_kill_disable=True, devices=(DISK,)))
    assert text == "oomKillDisable, pids 7, block I/O of /dev/vda"
