"""From what is installed to what is wanted, in the fewest words, touching nothing of others."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.network.firewall_text import (
    Ownership,
    Table,
    are_equal,
    count_tables,
    foresee_replacement,
    parse_tables,
    render_replacement,
)
from controller.model.names import derive_chain

OWNER = Ownership(instance="hold")
JUMP = '-m comment --comment "hold:hold" -j HOLD-FORWARD'
OTHER_INSTANCE_JUMP = '-m comment --comment "hold:lab" -j HOLD-abc123-FORWARD'

Chains = dict[str, tuple[str, ...]]


def restore(text: str, chains: Chains) -> Chains:
    """Return the chains of the filter table after iptables-restore --noflush (iptables-restore(8))."""
    after = {name: list(rules) for name, rules in chains.items()}
    for line in text.splitlines():
        if line.startswith(":"):
            after[line[1:].split()[0]] = []
        elif line.startswith("-A "):
            _, chain, rule = line.split(" ", 2)
            after[chain].append(rule)
        elif line.startswith("-I "):
            _, chain, place, rule = line.split(" ", 3)
            assert 1 <= int(place) <= len(after[chain]) + 1
            after[chain].insert(int(place) - 1, rule)
        elif line.startswith("-D "):
            _, chain, rule = line.split(" ", 2)
            after[chain].remove(rule)
        elif line.startswith("-X "):
            assert after.pop(line[3:]) == []
    return {name: tuple(rules) for name, rules in after.items()}


def replace(wanted: Chains, present: Chains) -> tuple[Chains, str]:
    """Return the chains after a replacement, and its text."""
    text = render_replacement({"filter": Table(chains=wanted)}, {"filter": Table(chains=present)}, OWNER)
    return restore(text, present), text


def are_same(wanted: Chains, present: Chains) -> bool:
    return are_equal({"filter": Table(chains=wanted)}, {"filter": Table(chains=present)}, OWNER)


rules = st.lists(st.integers(0, 80).map(lambda port: f"-p tcp -m tcp --dport {port} -j ACCEPT"), max_size=90)


def test_a_rule_that_somebody_has_doubled_is_removed_at_its_place() -> None:
    asked = tuple(f"-p tcp -m tcp --dport {port} -j ACCEPT" for port in range(40))
    present = {"FORWARD": (JUMP,), "HOLD-FORWARD": (*asked, asked[5])}
    wanted = {"FORWARD": (JUMP,), "HOLD-FORWARD": asked}
    assert replace(wanted, present)[0] == wanted


@given(rules, rules, st.booleans())
def test_any_chain_becomes_what_is_wanted(
    found: Sequence[str], asked: Sequence[str], is_jumped: bool
) -> None:
    foreign = ("-s 192.0.2.9/32 -j DROP",)
    present = {
        "FORWARD": (*foreign, JUMP) if is_jumped else foreign,
        "HOLD-FORWARD": tuple(found),
        "MINE": foreign,
    }
    wanted = {"FORWARD": (JUMP,), "HOLD-FORWARD": tuple(asked)}
    after, _ = replace(wanted, present)
    assert after == {"FORWARD": (JUMP, *foreign), "HOLD-FORWARD": tuple(asked), "MINE": foreign}
    assert are_same(wanted, after)
    assert replace(wanted, after)[1] == ""


@given(rules, rules, st.booleans(), st.booleans())
def test_what_a_replacement_leads_to_is_foreseen(
    found: Sequence[str], asked: Sequence[str], is_jumped: bool, has_admin: bool
) -> None:
    foreign = ("-s 192.0.2.9/32 -j DROP",)
    present = {
        "FORWARD": (JUMP, *foreign) if is_jumped else foreign,
        "HOLD-FORWARD": tuple(found),
        "HOLD-OLD": (),
        **({"HOLD-USER": foreign} if has_admin else {}),
    }
    wanted = {"FORWARD": (JUMP,), "HOLD-FORWARD": ("-j HOLD-USER", *asked)}
    foreseen = foresee_replacement({"filter": Table(chains=wanted)}, {"filter": Table(chains=present)}, OWNER)
    if not is_jumped:
        assert foreseen is None
        return
    after, _ = replace(wanted, present)
    assert foreseen == {"filter": Table(chains=after)}


def test_committed_tables_are_counted() -> None:
    text = render_replacement(
        {"filter": Table(chains={"HOLD-FORWARD": ()}), "nat": Table(chains={"HOLD-DNAT": ()})},
        {"mangle": Table(chains={"HOLD-MARK": ()}), "raw": Table(chains={"PREROUTING": ()})},
        OWNER,
    )
    assert count_tables(text) == 3
    assert count_tables("") == 0


def test_one_rule_among_many_is_one_line() -> None:
    many = tuple(f"-p tcp -m tcp --dport {port} -j ACCEPT" for port in range(1000))
    present: Chains = {"FORWARD": (JUMP,), "HOLD-FORWARD": many[:500] + many[501:]}
    wanted: Chains = {"FORWARD": (JUMP,), "HOLD-FORWARD": many}
    assert replace(wanted, present)[1] == f"*filter\n-I HOLD-FORWARD 501 {many[500]}\nCOMMIT\n"
    assert replace(present, wanted)[1] == f"*filter\n-D HOLD-FORWARD {many[500]}\nCOMMIT\n"


def test_a_short_chain_is_added_to_without_removing_any_rule() -> None:
    few = tuple(f"-p tcp -m tcp --dport {port} -j ACCEPT" for port in range(5))
    present: Chains = {"FORWARD": (JUMP,), "HOLD-FORWARD": (few[0], few[2], few[3])}
    wanted: Chains = {"FORWARD": (JUMP,), "HOLD-FORWARD": few}
    added = f"-I HOLD-FORWARD 2 {few[1]}\n-I HOLD-FORWARD 5 {few[4]}"
    assert replace(wanted, present)[1] == f"*filter\n{added}\nCOMMIT\n"


def test_deleting_leaves_what_others_made() -> None:
    foreign = ("-s 192.0.2.9/32 -j DROP",)
    present = {
        "FORWARD": (OTHER_INSTANCE_JUMP, JUMP, *foreign),
        "HOLD-FORWARD": ("-j DROP",),
        "HOLD-abc123-FORWARD": ("-j DROP",),
        "HOLD-USER": ("-j RETURN",),
    }
    after, _ = replace({}, present)
    assert after == {
        "FORWARD": (OTHER_INSTANCE_JUMP, *foreign),
        "HOLD-abc123-FORWARD": ("-j DROP",),
        "HOLD-USER": ("-j RETURN",),
    }


@pytest.mark.parametrize(
    "present",
    [
        pytest.param({"FORWARD": (), "HOLD-FORWARD": ("-j DROP",)}, id="no jump"),
        pytest.param({"FORWARD": (JUMP,), "HOLD-FORWARD": ()}, id="flushed"),
        pytest.param({"FORWARD": (JUMP,)}, id="chain gone"),
        pytest.param({"FORWARD": ("-j ACCEPT", JUMP), "HOLD-FORWARD": ("-j DROP",)}, id="not first"),
        pytest.param({"FORWARD": (JUMP, JUMP), "HOLD-FORWARD": ("-j DROP",)}, id="jump twice"),
        pytest.param({"FORWARD": (JUMP,), "HOLD-FORWARD": ("-j DROP",), "HOLD-OLD": ()}, id="a chain too many"),
        pytest.param({"FORWARD": (JUMP,), "INPUT": (JUMP,), "HOLD-FORWARD": ("-j DROP",)}, id="a jump too many"),
    ],
)  # fmt: skip
def test_damage_is_seen_and_mended(present: Chains) -> None:
    wanted: Chains = {"FORWARD": (JUMP,), "HOLD-FORWARD": ("-j DROP",)}
    assert not are_same(wanted, present)
    after, _ = replace(wanted, present)
    assert are_same(wanted, after)


def test_jumps_of_other_instances_may_come_first() -> None:
    wanted: Chains = {"FORWARD": (JUMP,), "HOLD-FORWARD": ("-j DROP",)}
    assert are_same(wanted, {"FORWARD": (OTHER_INSTANCE_JUMP, JUMP, "-j DROP"), "HOLD-FORWARD": ("-j DROP",)})


INSTANCES = ("hold", "lab", "other")


def _list_jumps(instance: str) -> tuple[str, ...]:
    roles = ("HOLD-USER", derive_chain(instance, "APART"), derive_chain(instance, "FORWARD"))
    return tuple(f'-m comment --comment "hold:{instance}" -j {chain}' for chain in roles)


@given(st.lists(st.sampled_from(INSTANCES), max_size=8), st.permutations([*_list_jumps("lab"), "-j DROP"]))
def test_every_instance_is_asked_before_one_accepts(turns: list[str], there: list[str]) -> None:
    """Instances install and repair in any order; then all of them are content at once."""
    rules = tuple(there)
    for instance in (*turns, *INSTANCES, *INSTANCES):
        owner = Ownership(instance=instance)
        wanted, present = {"FORWARD": _list_jumps(instance)}, {"FORWARD": rules, "HOLD-USER": ()}
        text = render_replacement({"filter": Table(chains=wanted)}, {"filter": Table(chains=present)}, owner)
        rules = restore(text, present)["FORWARD"]
    for instance in INSTANCES:
        wanted, present = {"FORWARD": _list_jumps(instance)}, {"FORWARD": rules}
        assert are_equal(
            {"filter": Table(chains=wanted)}, {"filter": Table(chains=present)}, Ownership(instance=instance)
        )
    accepting = [rule.endswith("-FORWARD") for rule in rules[:9]]
    assert (accepting, rules[9:]) == ([False] * 6 + [True] * 3, ("-j DROP",))


def test_what_the_tools_print_is_read() -> None:
    text = "# Generated\n*nat\n:PREROUTING ACCEPT [1:2]\n:HOLD-DNAT - [0:0]\n-A HOLD-DNAT -j RETURN \nCOMMIT"
    assert parse_tables(text) == {"nat": Table(chains={"PREROUTING": (), "HOLD-DNAT": ("-j RETURN",)})}
