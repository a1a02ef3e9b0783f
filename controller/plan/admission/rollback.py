"""What a wish to return to an earlier spec comes to."""

from controller.errors import NotFound
from controller.model.changes import Decision, Draft, Snapshot
from controller.model.container import ContainerSpec
from controller.model.kinds import Resource, Spec
from controller.plan.admission.apply import decide_apply
from controller.plan.admission.batch import AdmissionContext, ApplyBatch, Rollback
from controller.plan.admission.intents import complete_key
from controller.plan.difference import OPERATED_FIELDS, is_same_design


def decide_rollback(snapshot: Snapshot, rollback: Rollback, context: AdmissionContext) -> Decision:
    """Return the writes that make an earlier spec, with its labels and annotations, the desired one.

    Whether a container runs, and its serial number of the run, stay as they are. NotFound when the object or the
    generation is not there, or when there is nothing to go back to.
    """
    key = complete_key(rollback.key)
    present = snapshot.get(key)
    if present is None:
        raise NotFound(f"{key} does not exist")
    earlier = _choose_generation(present, rollback)
    draft = Draft(
        key=key,
        spec=_keep_operated(earlier.spec, present.spec),
        labels=earlier.metadata.labels,
        annotations=earlier.metadata.annotations,
    )
    batch = ApplyBatch(drafts=(draft,), manager=rollback.manager, force=rollback.force)
    return decide_apply(snapshot, batch, context)


def _choose_generation(present: Resource, rollback: Rollback) -> Resource:
    if rollback.generation:
        for candidate in rollback.history:
            if candidate.metadata.generation == rollback.generation:
                return candidate
        kept = ", ".join(str(each.metadata.generation) for each in rollback.history)
        raise NotFound(f"{rollback.key} has no generation {rollback.generation}; kept are {kept or 'none'}")
    for candidate in rollback.history:
        older = candidate.metadata.generation < present.metadata.generation
        if older and not is_same_design(candidate.spec, present.spec):
            return candidate
    raise NotFound(f"{rollback.key} has no earlier spec that differs from the present one")


def _keep_operated(earlier: Spec, present: Spec) -> Spec:
    if not isinstance(earlier, ContainerSpec) or not isinstance(present, ContainerSpec):
        return earlier
    return earlier.model_copy(update={name: getattr(present, name) for name in OPERATED_FIELDS})
