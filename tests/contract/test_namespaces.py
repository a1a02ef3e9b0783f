"""What every adapter of Namespaces promises."""

from tests.contract.network import DB, WEB, NetworkPorts


async def test_one_that_was_made_is_there_with_loopback_up(network: NetworkPorts) -> None:
    await network.namespaces.ensure(WEB)
    facts = await network.namespaces.read(WEB)
    assert facts is not None
    assert (facts.container, facts.loopback_up) == (WEB, True)
    assert await network.namespaces.read(DB) is None


async def test_all_are_listed(network: NetworkPorts) -> None:
    assert await network.namespaces.list() == ()
    await network.namespaces.ensure(WEB)
    await network.namespaces.ensure(DB)
    assert {facts.container for facts in await network.namespaces.list()} == {WEB, DB}


async def test_making_one_again_changes_nothing(network: NetworkPorts) -> None:
    await network.namespaces.ensure(WEB)
    before = await network.namespaces.list()
    await network.namespaces.ensure(WEB)
    assert await network.namespaces.list() == before


async def test_one_for_users_of_its_own(network: NetworkPorts) -> None:
    await network.namespaces.ensure(WEB, id_base=1 << 30)
    await network.namespaces.ensure(WEB, id_base=1 << 30)
    await network.namespaces.ensure(DB)
    assert {facts.container: facts.id_base for facts in await network.namespaces.list()} == {
        WEB: 1 << 30,
        DB: 0,
    }
    await network.namespaces.delete(WEB)
    await network.namespaces.ensure(WEB)
    facts = await network.namespaces.read(WEB)
    assert facts is not None
    assert (facts.id_base, facts.loopback_up) == (0, True)


async def test_one_that_was_dropped_is_gone(network: NetworkPorts) -> None:
    await network.namespaces.ensure(WEB)
    await network.namespaces.delete(WEB)
    assert await network.namespaces.read(WEB) is None
    assert await network.namespaces.list() == ()
    await network.namespaces.ensure(WEB)
    assert await network.namespaces.read(WEB) is not None


async def test_dropping_what_is_missing_succeeds(network: NetworkPorts) -> None:
    await network.namespaces.delete(WEB)
