"""What a decision must know of the host depends on what is decided."""

import pytest

from controller.model.container import ContainerSpec
from controller.model.kinds import Spec
from controller.model.network import NetworkSpec
from controller.model.volume import VolumeSpec
from controller.plan.admission import HostNeed, derive_host_need

QUIET = ContainerSpec.model_validate({"image": "shop:1"})
PUBLISHED = ContainerSpec.model_validate({"image": "shop:1", "ports": ["8080:80"]})


@pytest.mark.parametrize(
    ("specs", "need"),
    [
        ([], HostNeed.NOTHING),
        ([QUIET, VolumeSpec()], HostNeed.NOTHING),
        ([QUIET, PUBLISHED], HostNeed.LISTENERS),
        ([NetworkSpec(), QUIET], HostNeed.NETWORKS),
        ([PUBLISHED, NetworkSpec()], HostNeed.NETWORKS),
    ],
)
def test_need_of_a_batch(specs: list[Spec], need: HostNeed) -> None:
    assert derive_host_need(specs) is need
