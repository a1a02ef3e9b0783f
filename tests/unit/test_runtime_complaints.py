"""What OCI runtimes complain of, in our words."""

import pytest

from controller.api.exits import choose_start_code
from controller.kernel.processes.complaints import explain_complaint


@pytest.mark.parametrize(
    ("complaint", "told"),
    [
        (
            "mount `/etc/passwd` to `bin`: Not a directory",
            "/etc/passwd can't be mounted at /bin: one of them is a file, the other a directory",
        ),
        (
            'runc create failed: error mounting "/a" to rootfs at "/b": mount /a:/b (via fd), flags: 0x5000: not a directory',
            "/a can't be mounted at /b: one of them is a file, the other a directory",
        ),
        (
            "mkdir `/etc/kept/sub`: Not a directory",
            "/etc/kept/sub can't be made in the container to mount something there: a part of it is not a directory",
        ),
        (
            "open /proc/sys/net/nosuch: No such file or directory",
            "this kernel has no setting net.nosuch: leave the sysctl out",
        ),
        ("cannot stat the moon", ""),
    ],
)
def test_a_complaint_is_explained(complaint: str, told: str) -> None:
    assert explain_complaint(complaint) == told


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("prog: executable not found in the container", 127),
        ("prog: permission denied: make it executable (chmod +x), or name another program", 126),
        ("the working directory can't be entered: no such file or directory", 126),
        ("the host has no device /nosuch: name one that is there", 125),
    ],
)
def test_exit_codes_speak_of_the_program(error: str, code: int) -> None:
    assert choose_start_code(error) == code
