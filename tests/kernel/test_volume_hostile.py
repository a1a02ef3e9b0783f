"""Archives that are broken, or made to do harm, change nothing."""

import io
import tarfile
from pathlib import Path

import pytest

from controller.errors import Invalid
from controller.kernel.volumes.volume_contents import VolumeFiles
from controller.kernel.volumes.volumes import LocalVolumes
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import VolumeWant
from tests.kernel.volume_adapters import open_contents, open_volumes, pack, pieces, place
from tests.kernel.volume_trees import describe, fill

DATA = Uid("a" * 32)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(root_path=str(tmp_path / "root"), run_path=str(tmp_path / "run"), instance="hostile")


@pytest.fixture
def volumes(layout: Layout) -> LocalVolumes:
    return open_volumes(layout)


@pytest.fixture
def contents(layout: Layout) -> VolumeFiles:
    return open_contents(layout)


def _pack_odd(*, name: str = "odd", uid: int = 0, capability: str = "", link: str = "") -> bytes:
    """Return an archive with an entry that no file can be like."""
    header = tarfile.TarInfo(name)
    header.uid = uid
    header.type, header.linkname = (tarfile.LNKTYPE, link) if link else (tarfile.REGTYPE, "")
    header.pax_headers = {"SCHILY.xattr.security.capability": capability} if capability else {}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(header)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (pack(("good", ""), ("../../escaped", "")), "climbs out of the archive"),
        (pack(("good", ""))[:700], "cut off|no end|is broken"),
        (pack(("good", ""))[:512], "has no end"),
        (b"no archive at all" * 99, "is no tar archive"),
        (_pack_odd(name="n" * 300), r"entry 'n{200}\.\.\.' can't be made: file name too long"),
        (_pack_odd(uid=1 << 33), "entry 'odd' has an owner or a time that no file can have"),
        (_pack_odd(capability="junk"), "entry 'odd' can't be made: invalid argument"),
        (
            _pack_odd(link="/no/such"),
            "entry 'odd' is a hard link to '/no/such', which is no file of the same",
        ),
        (b"", "."),
    ],
)
async def test_a_bad_archive_changes_nothing(
    layout: Layout,
    volumes: LocalVolumes,
    contents: VolumeFiles,
    archive: bytes,
    words: str,
) -> None:
    await volumes.ensure(DATA)
    fill(place(layout, DATA))
    before = describe(place(layout, DATA).parent)
    with pytest.raises(Invalid, match=words):
        await contents.restore(VolumeWant(uid=DATA), pieces(archive), force=True)
    after = describe(place(layout, DATA).parent)
    assert {name for name in after if after[name] != before[name]} <= {"."}
    assert after.keys() == before.keys()


async def test_links_lead_nowhere_outside(
    volumes: LocalVolumes, contents: VolumeFiles, tmp_path: Path
) -> None:
    await volumes.ensure(DATA)
    archive = pack(("out", str(tmp_path)), ("out/escaped", ""))
    await contents.restore(VolumeWant(uid=DATA), pieces(archive), force=False)
    assert not (tmp_path / "escaped").exists()
