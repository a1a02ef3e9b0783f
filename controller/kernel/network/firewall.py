"""iptables and ip6tables, whichever back end they have: `KernelFirewall(layout=, runner=, generations=)`.

What was installed last lies in the run directory beside its digest: comparing it with what the tools print tells,
after a restart of the daemon too, whether anything of ours was changed.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.errors import HoldError, Refused, Unsupported
from controller.kernel.network.conntrack import Translation, find_outdated, forget_connections
from controller.kernel.network.firewall_text import (
    Ownership,
    Table,
    are_equal,
    count_tables,
    foresee_replacement,
    parse_tables,
    render_replacement,
)
from controller.kernel.network.rule_generations import RuleGenerations
from controller.kernel.subprocesses import Runner
from controller.model.facts import FirewallFacts
from controller.model.layout import Layout
from controller.model.wants import FirewallWant
from controller.plan.firewall import IPV6_MARK

Ruleset = dict[str, dict[str, Table]]
"""Tables by the prefix of the programs that they are for (iptables, ip6tables)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Installed:
    """A want that was installed, with its rules as the tool prints them."""

    digest: str
    text: str


class KernelFirewall:
    """The firewall on Linux; one call at a time."""

    def __init__(self, *, layout: Layout, runner: Runner, generations: RuleGenerations) -> None:
        self._path = Path(f"{layout.run_path}/firewall.json")
        self._owner = Ownership(instance=layout.instance)
        self._runner = runner
        self._generations = generations
        self._lock = asyncio.Lock()
        self._seen: Ruleset | None = None

    async def read(self) -> FirewallFacts:
        """Return what is installed."""
        async with self._lock:
            installed = self._load()
            if installed is None:
                return FirewallFacts(digest="")
            self._seen = await self._read_rules()
            whole = self._is_installed(_parse_want(installed.text), self._seen)
            return FirewallFacts(digest=installed.digest if whole else "")

    async def replace(self, want: FirewallWant) -> None:
        """Install all rules of `want` atomically per table, in place of ours, and the jumps to them first in line.

        What was read last, or installed since by nobody but us, is taken for what is there, as reading takes longer than
        installing. Where that is wrong, the program refuses, or the next look tells.
        """
        async with self._lock:
            wanted = _parse_want(want.text)
            present, self._seen = self._seen, None
            if present is None or not await self._try_to_install(wanted, present):
                present = await self._read_rules()
                await self._install(wanted, present)
            self._save(_Installed(digest=want.digest, text=want.text))
            before, after = _list_nat_rules(present), _list_nat_rules(wanted)
            changed = find_outdated(_parse_translations(before - after), _parse_translations(after - before))
            if changed:
                await asyncio.to_thread(forget_connections, changed)

    async def delete(self) -> None:
        """Remove every chain and jump of this instance; the administrator's chain stays."""
        async with self._lock:
            await self._install({}, await self._read_rules())
            self._path.unlink(missing_ok=True)

    async def _try_to_install(self, wanted: Ruleset, present: Ruleset) -> bool:
        try:
            await self._install(wanted, present)
        except Refused:
            return False
        return True

    async def _install(self, wanted: Ruleset, present: Ruleset) -> None:
        if "nat" in wanted.get("ip6tables", {}) and "ip6tables" not in present:
            raise Unsupported(
                "networks with IPv6 need ip6tables, which does not work here: run ip6tables-save"
            )
        texts = {
            program: text
            for program, tables in present.items()
            if (text := render_replacement(wanted.get(program, {}), tables, self._owner))
        }
        alone = not texts or await self._restore(texts)
        foreseen = {
            program: foresee_replacement(wanted.get(program, {}), tables, self._owner) if alone else None
            for program, tables in present.items()
        }
        known = {program: tables for program, tables in foreseen.items() if tables is not None}
        self._seen = known if known.keys() == present.keys() else None

    async def _restore(self, texts: Mapping[str, str]) -> bool:
        """Install a text by each program, at one time; return whether nobody else is known to have changed any rule meanwhile."""
        with self._generations.installing(sum(map(count_tables, texts.values()))) as installation:
            try:
                async with asyncio.TaskGroup() as tasks:
                    for program, text in texts.items():
                        command = (f"{program}-restore", "--noflush", "-w")
                        tasks.create_task(self._runner.run(*command, stdin=text))
            except* HoldError as group:
                raise group.exceptions[0] from None
        return installation.alone

    async def _read_rules(self) -> Ruleset:
        try:
            async with asyncio.TaskGroup() as tasks:
                ipv4 = tasks.create_task(self._runner.run("iptables-save"))
                ipv6 = tasks.create_task(self._read_ipv6())
        except* HoldError as group:
            raise group.exceptions[0] from None
        rules = {"iptables": parse_tables(ipv4.result())}
        text = ipv6.result()
        return rules if text is None else {**rules, "ip6tables": parse_tables(text)}

    async def _read_ipv6(self) -> str | None:
        """Return None on a host without IPv6, which has nothing of it to forward."""
        try:
            return await self._runner.run("ip6tables-save")
        except (Refused, Unsupported):
            return None

    def _is_installed(self, wanted: Ruleset, present: Ruleset) -> bool:
        return all(
            are_equal(wanted.get(program, {}), tables, self._owner) for program, tables in present.items()
        )

    def _load(self) -> _Installed | None:
        try:
            return _Installed(**json.loads(self._path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _save(self, installed: _Installed) -> None:
        draft = self._path.with_suffix(".new")
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps({"digest": installed.digest, "text": installed.text}))
        draft.replace(self._path)


def _parse_want(text: str) -> Ruleset:
    ipv4, _, ipv6 = text.partition(f"{IPV6_MARK}\n")
    return {"iptables": parse_tables(ipv4), "ip6tables": parse_tables(ipv6)}


def _list_nat_rules(rules: Ruleset) -> set[str]:
    """Return what is said anywhere in tables that translate; telling apart what two sets have is cheap."""
    return {
        rule
        for tables in rules.values()
        for chain in (tables["nat"].chains.values() if "nat" in tables else ())
        for rule in chain
    }


def _parse_translations(rules: Iterable[str]) -> frozenset[Translation]:
    found = map(Translation.parse, rules)
    return frozenset(each for each in found if each is not None)
