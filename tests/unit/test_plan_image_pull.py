"""Images of registries: begin, wait, wait longer, notice the end."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.model.facts import ImageFacts
from controller.model.ids import Key
from controller.model.image import Image, ImageAssigned, ImageConfig, ImageStatus
from controller.model.kinds import Resource, key_of
from controller.model.pulls import PullFacts, PullState
from controller.model.resource import find_condition, is_ready
from controller.plan.image import ImageDesired, ImageObserved, gather_image, plan_image
from controller.plan.image_pull import BeginPull, CancelPull, derive_want, find_pulled_digest

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32
CONTENT = ImageFacts(
    id="sha256:id", manifest_digest=DIGEST, config=ImageConfig(), layers=("sha256:layer",), size_bytes=7
)


def make_image(*, assigned: ImageAssigned | None = None, status: ImageStatus | None = None) -> Image:
    metadata = {"name": "shop:1", "uid": "a" * 32, "generation": 1}
    image = Image.model_validate(
        {"metadata": metadata, "spec": {"source": {"registry": "shop:1", "platform": "linux/arm64"}}}
    )
    return image.model_copy(
        update={"assigned": assigned or ImageAssigned(), "status": status or ImageStatus()}
    )


def facts(image: Image, state: PullState, **fields: object) -> PullFacts:
    want = derive_want(image)
    assert want is not None
    return PullFacts(want=want, state=state, **fields)  # type: ignore[arg-type]  # a table's columns


def reason_of(status: ImageStatus, kind: str = "Ready") -> tuple[str, str]:
    condition = find_condition(status, kind)
    assert condition is not None
    return condition.reason, condition.message


def test_what_is_not_there_is_pulled() -> None:
    image = make_image()
    plan = plan_image(ImageDesired(image=image), ImageObserved(), NOW)
    assert [action.describe() for action in plan.actions] == ["pull shop:1 for linux/arm64"]
    assert reason_of(plan.status) == ("Pulling", "")
    assert plan.status.observed_generation == 0


def test_a_pull_that_goes_on_tells_how_far_it_is() -> None:
    image = make_image()
    pull = facts(image, PullState.RUNNING, done_bytes=1_500_000, total_bytes=6_000_000)
    plan = plan_image(ImageDesired(image=image), ImageObserved(pull=pull), NOW)
    assert (plan.actions, plan.requeue_after_s) == ((), 2.0)
    assert reason_of(plan.status) == ("Pulling", "1.5 of 6.0 MB")


@pytest.mark.parametrize(("failures", "wait_s"), [(1, 2), (2, 4), (5, 32), (9, 300), (99, 300)])
def test_waits_grow_with_failures(failures: int, wait_s: float) -> None:
    image = make_image()
    pull = facts(image, PullState.FAILED, error="no such thing", failures=failures, failed_at=NOW)
    plan = plan_image(ImageDesired(image=image), ImageObserved(pull=pull), NOW)
    assert (plan.actions, plan.requeue_after_s) == ((), wait_s)
    assert reason_of(plan.status) == ("PullFailed", "no such thing")
    assert [note.reason for note in plan.notes] == ["PullFailed"]
    told = image.model_copy(update={"status": plan.status})
    later = plan_image(ImageDesired(image=told), ImageObserved(pull=pull), NOW + timedelta(seconds=wait_s))
    assert [type(action) for action in later.actions] == [BeginPull]
    assert later.notes == ()


def test_a_pull_of_an_earlier_wish_does_not_count() -> None:
    image = make_image()
    earlier = image.model_copy(update={"metadata": image.metadata.model_copy(update={"generation": 0})})
    pull = facts(earlier, PullState.DONE, content=CONTENT)
    assert find_pulled_digest(image, pull) == ""
    plan = plan_image(ImageDesired(image=image), ImageObserved(pull=pull), NOW)
    assert [type(action) for action in plan.actions] == [BeginPull]


def test_its_end_is_recorded() -> None:
    image = make_image()
    pull = facts(image, PullState.DONE, content=CONTENT)
    assert find_pulled_digest(image, pull) == CONTENT.id
    plan = plan_image(ImageDesired(image=image), ImageObserved(content=CONTENT, pull=pull), NOW)
    assert plan.actions == ()
    assert is_ready(plan.status)
    assert (plan.status.id, plan.status.observed_generation) == (CONTENT.id, 1)


def test_what_somebody_pulled_ends_the_wait_and_is_asked_for_by_digest_when_lost() -> None:
    image = make_image(assigned=ImageAssigned(manifest=DIGEST, pull=3))
    assert find_pulled_digest(image, None) == DIGEST
    running = facts(make_image(), PullState.RUNNING)
    plan = plan_image(ImageDesired(image=image), ImageObserved(content=CONTENT, pull=running), NOW)
    assert [type(action) for action in plan.actions] == [CancelPull]
    assert (is_ready(plan.status), plan.status.pull) == (True, 3)
    lost = plan_image(ImageDesired(image=image), ImageObserved(), NOW)
    assert lost.actions[0].describe() == f"pull shop@{DIGEST} for linux/arm64"


def test_the_old_content_serves_while_a_newer_one_comes() -> None:
    status = ImageStatus(id=CONTENT.id, observed_generation=1)
    image = make_image(assigned=ImageAssigned(pull=1), status=status)
    plan = plan_image(ImageDesired(image=image), ImageObserved(content=CONTENT), NOW)
    assert [type(action) for action in plan.actions] == [BeginPull]
    assert is_ready(plan.status)
    failed = facts(image, PullState.FAILED, error="gone", failures=1, failed_at=NOW)
    plan = plan_image(ImageDesired(image=image), ImageObserved(content=CONTENT, pull=failed), NOW)
    assert is_ready(plan.status)
    assert reason_of(plan.status, "Refreshed") == ("PullFailed", "gone")
    done = facts(image, PullState.DONE, content=CONTENT)
    plan = plan_image(ImageDesired(image=image), ImageObserved(content=CONTENT, pull=done), NOW)
    assert (plan.actions, plan.status.pull, find_condition(plan.status, "Refreshed")) == ((), 1, None)


def test_content_that_another_image_was_just_pulled_for_stays() -> None:
    status = ImageStatus(id=CONTENT.id, digest=DIGEST, observed_generation=1)
    image = make_image(status=status)
    metadata = image.metadata.model_copy(update={"name": "other:1", "uid": "b" * 32})
    other = make_image(assigned=ImageAssigned(manifest=DIGEST)).model_copy(update={"metadata": metadata})
    snapshot: dict[Key, Resource] = {key_of(each): each for each in (image, other)}
    assert gather_image(snapshot, image, ()).shared
    del snapshot[key_of(other)]
    assert not gather_image(snapshot, image, ()).shared


def test_a_deleted_image_gives_its_pull_up_first() -> None:
    image = make_image()
    metadata = image.metadata.model_copy(update={"deleted_at": NOW})
    leaving = image.model_copy(update={"metadata": metadata})
    pull = facts(image, PullState.RUNNING)
    plan = plan_image(ImageDesired(image=leaving), ImageObserved(pull=pull), NOW)
    assert [action.describe() for action in plan.actions] == ["give up the pull"]
    assert plan_image(ImageDesired(image=leaving), ImageObserved(), NOW).gone
