"""What a wish for another name comes to."""

from controller.errors import AlreadyExists, InUse, NotFound, Unavailable
from controller.model.changes import Decision, FieldChange, Outcome, Rename, Snapshot, Verb
from controller.model.ids import Key
from controller.plan.admission.batch import CLI_MANAGER
from controller.plan.admission.findings import Findings, name_some
from controller.plan.admission.intents import check_name
from controller.plan.admission.references import is_staying, list_references


def decide_rename(snapshot: Snapshot, key: Key, name: str) -> Decision:
    """Return the write that gives the object `key` the name `name`; the outcome is under the new name.

    Refused while others name the object, and for objects that other managers declare: they would only make them again.
    Its present name changes nothing.
    """
    new_key, findings = Key(key.kind, name), Findings()
    stored = snapshot.get(key)
    if stored is None:
        raise NotFound(f"{key} does not exist")
    if new_key == key:
        return Decision(writes=(), outcomes=(Outcome(key=key, verb=Verb.UNCHANGED),))
    if not is_staying(stored):
        findings.add(Unavailable, key, "", "is being deleted")
    if stored.metadata.manager not in ("", CLI_MANAGER):
        findings.add_other_manager(key, stored.metadata.manager)
    users = sorted(
        user
        for user, resource in snapshot.items()
        if is_staying(resource) and any(target == key for _, target in list_references(resource.spec))
    )
    if users:
        message = f"is named by {name_some(users)}: let them name another one first"
        findings.add(InUse, key, "metadata.name", message)
    if check_name(new_key, findings) and new_key in snapshot:
        message = f"name {name!r} is in use: remove what has it, or use another name"
        findings.add(AlreadyExists, key, "metadata.name", message)
    findings.raise_any()
    change = FieldChange(path="metadata.name", old=f'"{key.name}"', new=f'"{name}"')
    outcome = Outcome(key=new_key, verb=Verb.UPDATE, changes=(change,))
    return Decision(writes=(Rename(key=key, name=name),), outcomes=(outcome,))
