"""How long a client is left waiting for a start."""

from controller.api.patience import GIVE_UP_AFTER_S, TELL_AFTER_S, Patience
from controller.api.v1 import container_pb2


def _waiting(reason: str, message: str = "") -> container_pb2.Waiting:
    return container_pb2.Waiting(reason=reason, message=message)


def test_a_wait_is_told_once_it_has_lasted() -> None:
    patience = Patience()
    patience.look(_waiting("WaitingForVolumes"), 10.0)
    assert patience.find_tell_time_s() == 10.0 + TELL_AFTER_S
    patience.look(_waiting("WaitingForVolumes"), 10.4)
    assert patience.find_tell_time_s() == 10.0 + TELL_AFTER_S
    patience.told = patience.waiting
    assert patience.find_tell_time_s() is None
    patience.look(_waiting("WaitingForDependencies"), 11.0)
    assert patience.find_tell_time_s() == 11.0 + TELL_AFTER_S
    patience.look(None, 11.1)
    assert patience.find_tell_time_s() is None


def test_a_start_that_keeps_failing_is_given_up() -> None:
    patience = Patience()
    patience.look(_waiting("Exhausted", "no room"), 10.0)
    patience.look(_waiting("Refused", "no mount"), 13.0)
    assert patience.find_end_s() == 10.0 + GIVE_UP_AFTER_S
    patience.look(_waiting("WaitingForImage"), 14.0)
    assert patience.find_end_s() is None
    patience.look(_waiting("Refused", "no mount"), 15.0)
    assert patience.find_end_s() == 15.0 + GIVE_UP_AFTER_S


def test_an_image_that_can_not_be_pulled_is_not_waited_for() -> None:
    patience = Patience()
    patience.look(_waiting("WaitingForImage"), 10.0, failing=True)
    assert patience.find_end_s() == 10.0 + GIVE_UP_AFTER_S
    patience.look(_waiting("WaitingForImage"), 11.0)
    assert patience.find_end_s() is None
    patience.look(None, 12.0, failing=True)
    assert patience.find_end_s() is None


def test_what_others_have_to_do_first_is_waited_for() -> None:
    patience = Patience()
    for reason in (
        "WaitingForDependencies",
        "WaitingForContainers",
        "WaitingForImage",
        "BackOff",
        "BeingMade",
    ):
        patience.look(_waiting(reason), 10.0)
        assert patience.find_end_s() is None
