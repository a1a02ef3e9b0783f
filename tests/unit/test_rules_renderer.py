"""What is rendered of what changed is what would be rendered of everything."""

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.model.changes import Draft
from controller.plan.host import derive_host
from controller.plan.names import NamesRenderer
from controller.plan.oci.defaults import ContainerDefaults
from controller.plan.rules import RulesRenderer
from tests.unit.admission_scenario import State, apply, container, image, network

START = apply({}, image(), network("n", subnets=["10.77.0.0/24"]), network("m"))
DRAFTS: tuple[Draft, ...] = (
    network("n", subnets=["10.77.0.0/24"], hostBinding="192.0.2.1"),
    network("n", subnets=["10.77.0.0/24"], masquerade=False),
    network("m", interContainer=False),
    *(
        container(name, networks=[place], ports=[f"{number + port}:80"])
        for number, name in enumerate(("web", "db"), start=8000)
        for place in ("n", "m")
        for port in (0, 100)
    ),
    container("web", desired="stopped", ports=["8000:80"]),
)


def render(state: State, rules: RulesRenderer) -> str:
    return derive_host(state, ContainerDefaults(), rules=rules, names=NamesRenderer()).firewall.text


@settings(max_examples=40)
@given(st.lists(st.sampled_from(DRAFTS), max_size=8))
def test_whatever_changes_the_rules_are_those_of_the_whole(drafts: list[Draft]) -> None:
    state, rules = START, RulesRenderer("hold")
    for draft in drafts:
        state = apply(state, draft)
        assert render(state, rules) == render(state, RulesRenderer("hold"))


def test_rules_at_rest_are_the_same_text() -> None:
    state = apply(START, container("web", ports=["8000:80"]))
    rules = RulesRenderer("hold")
    assert render(state, rules) is render(dict(state), rules)
