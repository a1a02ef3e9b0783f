"""What every adapter of Texts promises."""

from controller.model.facts import ProcessState
from controller.plan.oci.files import derive_texts_digest
from tests.contract.containers import DB, WEB, ContainerPorts

FILES = (("hosts", "127.0.0.1\tlocalhost\n"), ("resolv.conf", ""), ("hostname", "another\n"))


async def test_a_process_remembers_the_texts_that_it_was_given(containers: ContainerPorts) -> None:
    want = await containers.run(WEB)
    before = await containers.wait_for(WEB, ProcessState.RUNNING)
    assert before.texts_digest == derive_texts_digest(want.files)
    await containers.texts.rewrite(WEB, FILES)
    after = await containers.processes.read(WEB)
    assert after is not None
    assert (after.texts_digest, after.pid) == (derive_texts_digest(FILES), before.pid)
    await containers.texts.rewrite(WEB, FILES)
    found = await containers.reopen().read(WEB)
    assert found is not None
    assert found.texts_digest == derive_texts_digest(FILES)


async def test_there_is_nothing_to_rewrite_without_a_process(containers: ContainerPorts) -> None:
    await containers.texts.rewrite(DB, FILES)
    assert await containers.processes.read(DB) is None
