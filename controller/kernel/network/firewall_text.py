"""What iptables-save prints and iptables-restore reads, as far as it is ours.

Ours are the chains of an instance, all rules in them, and the rules elsewhere that bear its comment (jumps).
"""

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.model.names import ADMIN_CHAIN, derive_chain

_LONG_CHAIN = 32
_ACCEPTING = "-FORWARD"
"""How the chains end that accept packets to and from bridges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: its chains in order, each with its rules in order (what follows `-A CHAIN `)."""

    chains: Mapping[str, tuple[str, ...]]


def parse_tables(text: str) -> dict[str, Table]:
    """Return tables by name."""
    tables: dict[str, dict[str, list[str]]] = {}
    chains: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            chains = tables.setdefault(line[1:], {})
        elif line.startswith(":"):
            chains.setdefault(line[1:].split(" ", 1)[0], [])
        elif line.startswith("-A "):
            chain, _, rule = line[3:].partition(" ")
            chains.setdefault(chain, []).append(rule.rstrip())
    return {
        name: Table(chains={chain: tuple(rules) for chain, rules in found.items()})
        for name, found in tables.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Tells the chains and jumps of an instance."""

    instance: str

    def is_chain(self, name: str) -> bool:
        """Tell whether a chain is this instance's."""
        prefix = derive_chain(self.instance, "")
        role = name.removeprefix(prefix)
        return name.startswith(prefix) and name != ADMIN_CHAIN and role.isalpha()

    def is_jump(self, rule: str) -> bool:
        """Tell whether a rule in a chain of others is this instance's."""
        return f'--comment "hold:{self.instance}"' in rule or f"--comment hold:{self.instance} " in rule


def are_equal(wanted: Mapping[str, Table], present: Mapping[str, Table], owner: Ownership) -> bool:
    """Tell whether `present` has exactly the chains, rules and jumps of `wanted`, jumps first in line."""
    for name in {*wanted, *present}:
        asked = wanted[name].chains if name in wanted else {}
        found = present[name].chains if name in present else {}
        ours = {chain for chain in found if owner.is_chain(chain)}
        if ours != {chain for chain in asked if owner.is_chain(chain)}:
            return False
        if any(found[chain] != asked[chain] for chain in ours):
            return False
        if not all(_is_jumped(asked.get(chain, ()), rules, owner) for chain, rules in found.items()):
            return False
        if not asked.keys() <= found.keys():
            return False
    return True


def _is_jumped(jumps: Sequence[str], rules: Sequence[str], owner: Ownership) -> bool:
    """Tell whether our jumps in a chain are those asked for, in order, before all rules but other instances' jumps.

    Where several instances have jumps, those to chains that accept come last: none accepts what another would drop.
    """
    own = [rule for rule in rules if owner.is_jump(rule)]
    if not own and not any(map(owner.is_jump, jumps)):
        return True
    first = list(itertools.takewhile(_is_any_jump, rules))
    if own != list(jumps) or [rule for rule in first if owner.is_jump(rule)] != own:
        return False
    accepting = [place for place, rule in enumerate(first) if _is_accepting(rule)]
    asking = [place for place, rule in enumerate(first) if not _is_accepting(rule)]
    own_asking = [place for place in asking if owner.is_jump(first[place])]
    own_accepting = [place for place in accepting if owner.is_jump(first[place])]
    return max(own_asking, default=-1) < min(accepting, default=len(first)) and max(asking, default=-1) < min(
        own_accepting, default=len(first)
    )


def _is_any_jump(rule: str) -> bool:
    return '--comment "hold:' in rule


def _is_accepting(jump: str) -> bool:
    return jump.endswith(_ACCEPTING)


def render_replacement(wanted: Mapping[str, Table], present: Mapping[str, Table], owner: Ownership) -> str:
    """Return what iptables-restore --noflush needs to come from `present` to `wanted`; all of each table at once."""
    lines: list[str] = []
    for name in sorted({*wanted, *present}):
        asked = wanted[name].chains if name in wanted else {}
        found = present[name].chains if name in present else {}
        body = list(_render_table(asked, found, owner))
        if body:
            lines += [f"*{name}", *body, "COMMIT"]
    return "\n".join(lines) + "\n" if lines else ""


def count_tables(text: str) -> int:
    """Return how many tables iptables-restore commits of a text."""
    return text.splitlines().count("COMMIT")


def foresee_replacement(
    wanted: Mapping[str, Table], present: Mapping[str, Table], owner: Ownership
) -> dict[str, Table] | None:
    """Return what there is once `render_replacement` was installed, None where jumps have to move for it."""
    foreseen = dict(present)
    for name in {*wanted, *present}:
        asked = wanted[name].chains if name in wanted else {}
        found = present[name].chains if name in present else {}
        others = {chain: rules for chain, rules in found.items() if not owner.is_chain(chain)}
        ours = {chain: rules for chain, rules in asked.items() if owner.is_chain(chain)}
        for chain in {*others, *asked} - ours.keys():
            if not _is_jumped(asked.get(chain, ()), others.get(chain, ()), owner):
                return None
        foreseen[name] = Table(chains={**others, **ours, **_foresee_admin(asked, others)})
    return foreseen


def _foresee_admin(
    asked: Mapping[str, Sequence[str]], others: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    return {ADMIN_CHAIN: others.get(ADMIN_CHAIN, ())} if _needs_admin(asked) else {}


def _needs_admin(asked: Mapping[str, Sequence[str]]) -> bool:
    return any(rule.endswith(f"-j {ADMIN_CHAIN}") for rules in asked.values() for rule in rules)


def _render_table(
    asked: Mapping[str, Sequence[str]], found: Mapping[str, Sequence[str]], owner: Ownership
) -> Iterator[str]:
    stale = [chain for chain in found if owner.is_chain(chain) and chain not in asked]
    ours = [chain for chain in asked if owner.is_chain(chain)]
    changed = [chain for chain in ours if found.get(chain) != asked[chain]]
    edits = {
        chain: _render_edit(chain, found[chain], asked[chain]) if chain in found else None
        for chain in changed
    }
    for chain in [*(each for each in changed if edits[each] is None), *stale]:
        yield f":{chain} - [0:0]"
    if _needs_admin(asked) and ADMIN_CHAIN not in found:
        yield f":{ADMIN_CHAIN} - [0:0]"
    for chain, edit in edits.items():
        yield from edit if edit is not None else (f"-A {chain} {rule}" for rule in asked[chain])
    for chain in dict.fromkeys([*found, *asked]):
        if not owner.is_chain(chain):
            yield from _render_jumps(chain, asked.get(chain, ()), found.get(chain, ()), owner)
    for chain in stale:
        yield f"-X {chain}"


def _render_edit(chain: str, found: Sequence[str], asked: Sequence[str]) -> list[str] | None:
    """Return what changes rules of a chain that is there, None where filling it anew costs no more.

    Where all rules stay, others are put between them: unlike adding, removing waits for the kernel's readers.
    """
    added = _find_added(found, asked)
    if added is not None:
        return [f"-I {chain} {place + 1} {asked[place]}" for place in added]
    return _render_exchange(chain, found, asked)


def _find_added(found: Sequence[str], asked: Sequence[str]) -> list[int] | None:
    """Return the places of rules that are not there, None where not all that are there are asked for in their order."""
    staying = iter(found)
    next_one = next(staying, None)
    added: list[int] = []
    for place, rule in enumerate(asked):
        if rule == next_one:
            next_one = next(staying, None)
        else:
            added.append(place)
    return added if next_one is None else None


def _render_exchange(chain: str, found: Sequence[str], asked: Sequence[str]) -> list[str] | None:
    """Return what removes and adds a few rules of a long chain.

    Removals come first; what is left are rules that stay, in order, so each place counts from those before it. A rule is
    removed by its text, which must tell it from all others.
    """
    if len(found) < _LONG_CHAIN or len(set(found)) < len(found):
        return None
    removals: list[str] = []
    additions: list[str] = []
    matcher = difflib.SequenceMatcher(None, found, asked, autojunk=False)
    for _, first, last, place, end in (each for each in matcher.get_opcodes() if each[0] != "equal"):
        removals += [f"-D {chain} {rule}" for rule in found[first:last]]
        additions += [f"-I {chain} {index + 1} {asked[index]}" for index in range(place, end)]
    return [*removals, *additions] if len(removals) + len(additions) < len(asked) / 4 else None


def _render_jumps(chain: str, jumps: Sequence[str], rules: Sequence[str], owner: Ownership) -> Iterator[str]:
    """Leave jumps that are right alone: deleting waits for the kernel."""
    if _is_jumped(jumps, rules, owner):
        return
    for rule in rules:
        if owner.is_jump(rule):
            yield f"-D {chain} {rule}"
    others = [rule for rule in rules if not owner.is_jump(rule)]
    places = len(list(itertools.takewhile(_is_any_jump, others)))
    for position, rule in enumerate(jumps, start=1):
        yield f"-I {chain} {position + places if _is_accepting(rule) else position} {rule}"
