"""Link-local addresses that containers are given besides: which ones, whose, and where they are shown."""

from typing import cast

import pytest
from pydantic import ValidationError

from controller.api.convert import to_proto
from controller.cli.docker_view import view_as_docker
from controller.cli.fields import to_document
from controller.errors import AlreadyExists, HoldError, Invalid
from controller.model.attachments import AttachmentStatus, NetworkAttachment
from controller.model.container import Container
from controller.model.ids import Key
from tests.unit.admission_scenario import apply, assigned_of, container, image, network

STATE = apply(
    {},
    image(),
    network("n", subnets=["10.77.0.0/24"]),
    network("dual", subnets=["10.78.0.0/24", "fd00:78::/64"]),
    container("web", networks=[{"name": "n", "linkLocalIPs": ["169.254.7.7", "169.254.7.8"]}]),
)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["10.0.0.1"], "'10.0.0.1' is not link-local: use an address of 169.254.0.0/16 or fe80::/64"),
        (["169.254.0.0"], "is not link-local"),
        (["169.254.255.255"], "is not link-local"),
        (["fd00::1"], "is not link-local"),
        (["fe80::"], "is not link-local"),
        (["fe80:1::1"], "is not link-local"),
        (["fe80::1%eth0"], "names a link"),
        (["fe80::2ff:fe00:1"], "of the form that the kernel derives from a MAC"),
        (["169.254.1.1/16"], "is not an IPv4 address"),
        (["fe80::1", "FE80::0:1"], "fe80::1 is there twice"),
    ],
)
def test_what_is_none_is_told(texts: list[str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        NetworkAttachment.model_validate({"name": "n", "linkLocalIPs": texts})


def test_they_are_assigned_beside_others() -> None:
    place = assigned_of(STATE, "web").networks["n"]
    assert (place.addresses, place.link_local_ips) == (("10.77.0.2",), ("169.254.7.7", "169.254.7.8"))


def test_nobody_else_on_the_network_can_have_them() -> None:
    with pytest.raises(HoldError) as caught:
        apply(STATE, container("x", networks=[{"name": "n", "linkLocalIPs": ["169.254.7.8"]}]))
    assert isinstance(caught.value, AlreadyExists)
    told = "Container/x: spec.networks[0].linkLocalIPs[0]: 169.254.7.8 is taken by Container/web: choose another address"
    assert told in str(caught.value)
    apply(STATE, container("x", networks=[{"name": "dual", "linkLocalIPs": ["169.254.7.8"]}]))


def test_a_family_that_the_network_lacks_is_told() -> None:
    with pytest.raises(HoldError) as caught:
        apply(STATE, container("x", networks=[{"name": "n", "linkLocalIPs": ["fe80::7"]}]))
    assert isinstance(caught.value, Invalid)
    assert "spec.networks[0].linkLocalIPs[0]: Network/n has no IPv6: leave it out" in str(caught.value)


def test_they_can_be_taken_away_again() -> None:
    state = apply(STATE, container("web", networks=["n"]))
    assert assigned_of(state, "web").networks["n"].link_local_ips == ()
    apply(state, container("x", networks=[{"name": "n", "linkLocalIPs": ["169.254.7.8"]}]))


def test_docker_names_them_among_the_wishes() -> None:
    resource = cast("Container", STATE[Key("Container", "web")])
    place = AttachmentStatus(name="n", mac="02:00:00:00:00:01", link_local_ips=("169.254.7.7",))
    status = resource.status.model_copy(update={"networks": (place,)})
    shown = resource.model_copy(update={"status": status})
    view = view_as_docker(to_document(to_proto(shown)))
    wishes = view["NetworkSettings"]["Networks"]["n"]["IPAMConfig"]
    assert wishes == {"LinkLocalIPs": ["169.254.7.7", "169.254.7.8"]}
    assert view["status"]["networks"][0]["linkLocalIPs"] == ["169.254.7.7"]
