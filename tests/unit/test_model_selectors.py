"""Label selectors."""

import pytest

from controller.model.selectors import is_selected, parse_selector

LABELS = {"app": "shop", "tier": "web", "hold.example/part": "a.b"}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("app=shop", True),
        ("app==shop,tier=web", True),
        ("app=shop,tier=db", False),
        ("app!=shop", False),
        ("missing!=x", True),
        ("app in (shop, other)", True),
        ("app notin (shop,other)", False),
        ("missing notin (a)", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("app in (shop,other),!missing", True),
        ("hold.example/part=a.b", True),
    ],
)
def test_selection(text: str, selected: bool) -> None:
    assert is_selected(LABELS, parse_selector(text)) is selected


@pytest.mark.parametrize("text", ["=", "a b", "a in b", "a=b=c", "a,,b", "(a)"])
def test_nonsense_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a label condition"):
        parse_selector(text)
