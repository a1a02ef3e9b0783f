"""The mount table as text: only what was asked for, and names with blanks."""

import pytest

from controller.kernel.mountinfo import parse_mounts

TEXT = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /run/hold/rootfs/aa rw - overlay overlay rw,lowerdir=/l,upperdir=/u
31 22 0:41 / /run/hold/rootfs/ab rw - overlay overlay rw,lowerdir=/run/hold/rootfs/aa
32 22 0:42 / /srv/two\040words\134 rw,nosuid shared:2 master:1 - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("beginning", "found"),
    [
        ("", ["/", "/run/hold/rootfs/aa", "/run/hold/rootfs/ab", "/srv/two words\\"]),
        ("/run/hold/rootfs/", ["/run/hold/rootfs/aa", "/run/hold/rootfs/ab"]),
        ("/run/hold/rootfs/aa", ["/run/hold/rootfs/aa"]),
        ("/srv/two words", ["/srv/two words\\"]),
        ("/l", []),
    ],
)
def test_only_targets_that_begin_so(beginning: str, found: list[str]) -> None:
    assert [entry.target for entry in parse_mounts(TEXT, beginning)] == found


def test_what_a_line_says() -> None:
    (entry,) = parse_mounts(TEXT, "/srv/two words\\")
    assert (entry.kind, entry.source_root, entry.propagation) == ("tmpfs", "/", "shared:2 master:1")
