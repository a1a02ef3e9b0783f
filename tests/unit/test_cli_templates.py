"""Go's templates: what they print, and what is told about those that can't be read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cli.templates import TemplateError, parse, render

WEB: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"app": "shop", "a.b": "x"}},
    "spec": {"command": ["a", "b"], "tty": False, "cpus": 0.5, "none": None, "empty": []},
    "status": {"pid": 7, "networks": [{"name": "n", "ipv4": "10.0.0.2"}, {"name": "m", "ipv4": "10.0.0.3"}]},
}

FILLED = [
    ("plain", "plain"),
    ("", ""),
    ("{{.metadata.name}}", "web"),
    ("{{ .Metadata.Name }}!", "web!"),
    ("{{.status.pid}}", "7"),
    ("{{.spec.tty}} {{.spec.cpus}}", "false 0.5"),
    ("{{.spec.none}} {{.spec.nothing.more}}", "<no value> <no value>"),
    ("{{.spec.command}} {{.metadata.labels}}", "[a b] map[a.b:x app:shop]"),
    ("{{json .spec.command}} {{json .spec.nothing}} {{json .metadata.name}}", '["a","b"] null "web"'),
    ('{{index .metadata.labels "a.b"}} {{index .spec.command 1}}', "x b"),
    ("{{(index .status.networks 0).ipv4}}", "10.0.0.2"),
    ('{{index .metadata.labels "c"}}', "<no value>"),
    ('{{join .spec.command ","}} {{split "a,b" ","}}', "a,b [a b]"),
    ("{{len .status.networks}} {{len .metadata.name}} {{len .spec.nothing}}", "2 3 0"),
    ("{{upper .metadata.name}} {{.metadata.name | title | lower}}", "WEB web"),
    ('{{println .metadata.name "x"}}', "web x\n"),
    ('{{print 1 2 "a" 3}}', "1 2a3"),
    ('{{printf "%-5s|%5d|%.2f|%q|%v%%" "a" 7 1.5 "b" .spec.command}}', 'a    |    7|1.50|"b"|[a b]%'),
    ('{{pad "a" 1 2}}|{{truncate "abc" 2}}|{{slice "abc" 1}}|{{slice .spec.command 0 1}}', " a  |ab|bc|[a]"),
    ("{{range .status.networks}}{{.name}}={{.ipv4}} {{end}}", "n=10.0.0.2 m=10.0.0.3 "),
    ("{{range $i, $n := .status.networks}}{{$i}}{{$n.name}}{{end}}", "0n1m"),
    ("{{range $v := .spec.command}}{{$v}}{{.}}{{end}}", "aabb"),
    ("{{range $k, $v := .metadata.labels}}{{$k}}:{{$v}};{{end}}", "a.b:x;app:shop;"),
    ("{{range .spec.empty}}x{{else}}none{{end}}{{range .spec.nothing}}x{{end}}", "none"),
    ("{{range .spec.command}}{{$.metadata.name}}{{end}}", "webweb"),
    ("{{if .spec.tty}}yes{{else}}no{{end}}", "no"),
    ("{{if .spec.tty}}1{{else if eq .status.pid 7}}2{{else}}3{{end}}", "2"),
    ("{{if .spec.tty}}1{{else if .spec.none}}2{{else}}3{{end}}", "3"),
    ("{{if and .status.pid (not .spec.tty)}}up{{end}}{{if or .spec.tty .spec.none}}x{{end}}", "up"),
    ('{{if eq .metadata.name "a" "web"}}1{{end}}{{if ne .status.pid 7}}2{{end}}{{if lt 1 2}}3{{end}}', "13"),
    ('{{eq true true}} {{eq 1 "1"}} {{ge "b" "a"}}', "true false true"),
    ("{{with .metadata}}{{.name}}{{end}}{{with .spec.none}}x{{else}}none{{end}}", "webnone"),
    ("{{$x := .metadata.name}}{{if $x}}{{$x = upper $x}}{{end}}{{$x}}", "WEB"),
    ("{{$x := 1}}{{range .spec.command}}{{$x := .}}{{end}}{{$x}}", "1"),
    ("a {{- .metadata.name -}} b", "awebb"),
    ("a {{/* }} */}}b{{- /* c */ -}} d", "a bd"),
    ('{{"}}"}}{{`{{"`}}', '}}{{"'),
    ('{{"a\\tb\\u00e9"}}', "a\tbé"),
    ('{{.metadata.labels "app"}}', "shop"),
    ("a\\tb\\n{{.status.pid}}", "a\tb\n7"),
    ("{{-1}} {{- 1}} {{nil}}", "-11 <no value>"),
]


@pytest.mark.parametrize(("template", "text"), FILLED)
def test_filled_in(template: str, text: str) -> None:
    assert render(parse(template), WEB) == text


REFUSED = [
    ("{{.stauts}}", 2, "there is no field .stauts; did you mean .status?"),
    ("{{.metadata.name.x}}", 2, ".metadata.name is a text, which has no field x"),
    ("{{.status.networks.name}}", 2, "range over it, or take one by index"),
    ("a {{rnage .x}}{{end}}", 4, "rnage is not a function; did you mean range?"),
    ("{{name}}", 2, "fields begin with a dot"),
    ("{{range .x}}", 2, "this range has no end"),
    ("{{if .x}}a{{else}}b", 12, "this else has no end"),
    ("{{if .x}}{{else}}{{else}}{{end}}", 11, "this else has no end"),
    ("{{end}}", 2, "end belongs to no if, range or with"),
    ("{{if}}x{{end}}", 4, "a value is missing here"),
    ("{{if .spec}}x{{end .x}}", 19, "nothing may stand behind end"),
    ("{{range .metadata.name}}{{end}}", 8, "range goes over lists and objects, not over a text"),
    ("{{}}", 0, "there is nothing between these braces"),
    ("a {{.b", 2, "these braces are not closed"),
    ('{{"abc}}', 2, "this text has no end"),
    ("{{/* x", 0, "this comment has no end"),
    ("{{.a b}}", 5, "b is not a function"),
    ("{{.status.pid .spec}}", 14, "only a function takes arguments"),
    ("{{.spec | .status}}", 10, "only a function takes arguments"),
    ("{{(.spec}}", 2, "this parenthesis is not closed"),
    ("{{.spec)}}", 7, ") has no place here"),
    ("{{.spec ? 1}}", 8, "'?' has no meaning here"),
    ("{{join}}", 2, "join takes 1 to 2 arguments, not 0"),
    ("{{lower 1 2}}", 2, "lower takes 1 argument, not 2"),
    ("{{join 7}}", 2, "join joins lists, not a number"),
    ("{{index .spec.command 2}}", 2, "2 is beyond the list's 2 items"),
    ("{{index .metadata.name 0}}", 2, "not into a text"),
    ('{{lt 1 "a"}}', 2, "lt can't order a number, a text"),
    ('{{printf "%d"}}', 2, "printf has no value for %d"),
    ('{{printf "%d" "a"}}', 2, "printf can't print a text by %d"),
    ("{{$x}}", 2, "$x was never set"),
    ("{{$x = 1}}", 2, "$x was never set"),
    ('{{"\\z"}}', 2, "has an escape that is none"),
    ('{{template "x"}}', 2, "template is not supported"),
    ("{{" + "(" * 60 + "1" + ")" * 60 + "}}", 52, "parentheses are nested more than 50 deep"),
    ("{{if 1}}" * 60, 402, "blocks are nested more than 50 deep"),
]


@pytest.mark.parametrize(("template", "position", "message"), REFUSED)
def test_refused_at_its_place(template: str, position: int, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(parse(template), WEB)
    assert message in caught.value.message
    assert caught.value.position == position


def test_the_place_is_shown() -> None:
    template = "{{.metadata.name}}\n\t{{lowre .x}}"
    with pytest.raises(TemplateError) as caught:
        parse(template)
    first, *shown = caught.value.explain(template).splitlines()
    assert first.startswith("template, line 2, column 4: lowre is not a function; did you mean lower?")
    assert shown == ["  \t{{lowre .x}}", "  \t  ^"]


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=10,
)
words = st.sampled_from(
    [
        "{{",
        "}}",
        "{{-",
        "-}}",
        ".a",
        ".b",
        ".",
        "$",
        "$x",
        ":=",
        "=",
        "|",
        "(",
        ")",
        ",",
        "if",
        "else",
        "end",
        "range",
        "with",
        "json",
        "join",
        "index",
        "len",
        "eq",
        "and",
        "print",
        "printf",
        '"%s"',
        '","',
        "0",
        "1",
        "true",
        "nil",
        "/*",
        "*/",
        "text",
    ]
)


@given(st.text().filter(lambda text: "{{" not in text and "\\" not in text))
def test_text_without_braces_is_itself(text: str) -> None:
    assert render(parse(text), {}) == text


@given(values)
def test_json_can_be_read_back(value: object) -> None:
    assert json.loads(render(parse("{{json .}}"), value)) == value


@given(st.lists(st.text("xy", max_size=3), max_size=4))
def test_range_goes_over_each_item_once(items: list[str]) -> None:
    assert render(parse("{{range .}}<{{.}}>{{end}}"), items) == "".join(f"<{item}>" for item in items)


@given(st.lists(words, max_size=25).map(" ".join) | st.text('{}.$|()-"`a1 \n%', max_size=40), values)
def test_any_text_is_filled_in_or_refused_at_a_place_in_it(template: str, value: object) -> None:
    try:
        assert isinstance(render(parse(template), value), str)
    except TemplateError as error:
        place = error.position
        shown = error.explain(template)
    else:
        return
    assert 0 <= place <= len(template)
    assert shown.startswith("template, ")
