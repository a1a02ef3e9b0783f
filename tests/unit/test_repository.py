"""The project's own rules, which no linter knows. A past bug becomes a rule here."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT_PATH = Path(__file__).parents[2]
STUBS_PATHS = [ROOT_PATH / "controller/api/v1", ROOT_PATH / "controller/plugins/v1"]

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
MOST_PARAMETERS = 6

TOP_LEVEL = {
    ".ci", ".gitignore", "BENCHMARKS.md", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "controller",
    "docs", "manifests", "migrations", "proto", "pyproject.toml", "tests",
}  # fmt: skip
UNFINISHED_WORDS = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")))
VAGUE_FUNCTIONS = re.compile(r"_*(handle|process|manage|do)(_|$)")
VAGUE_MODULES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def list_python_files(*folders: str) -> list[Path]:
    """Every Python file that people write."""
    paths = [path for folder in folders for path in (ROOT_PATH / folder).rglob("*.py")]
    return sorted(path for path in paths if not set(STUBS_PATHS) & set(path.parents))


def list_functions(*folders: str) -> Iterator[tuple[str, Function]]:
    """Every function with its place."""
    for path in list_python_files(*folders):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function):
                yield f"{path.relative_to(ROOT_PATH)}:{node.lineno} {node.name}", node


def list_tracked_files() -> list[str]:
    """What a clone has."""
    answer = subprocess.run(["git", "ls-files"], cwd=ROOT_PATH, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        pytest.skip("not a git checkout")
    return answer.stdout.splitlines()


def test_files_are_short() -> None:
    long = {
        str(path.relative_to(ROOT_PATH)): lines
        for path in list_python_files("controller", "tests", "migrations")
        if (lines := len(path.read_text().splitlines())) > MOST_LINES_OF_A_FILE
    }
    assert long == {}


def test_functions_are_short() -> None:
    long = {
        place: lines
        for place, node in list_functions("controller", "tests", "migrations")
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}


def test_functions_have_few_parameters() -> None:
    many = {
        place: count
        for place, node in list_functions("controller")
        if (count := len(_parameters(node))) > MOST_PARAMETERS
    }
    assert many == {}


def _parameters(node: Function) -> list[str]:
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def test_names_say_what_is_done() -> None:
    functions = [place for place, node in list_functions("controller") if VAGUE_FUNCTIONS.match(node.name)]
    modules = [str(path) for path in list_python_files("controller") if path.stem in VAGUE_MODULES]
    assert functions + modules == []


def test_everything_is_caught_in_one_place_alone() -> None:
    places = [
        f"{path.relative_to(ROOT_PATH)}:{node.lineno}"
        for path in list_python_files("controller")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node)
    ]
    assert len(places) <= 1, places
    assert all(place.startswith("controller/reconcile/") for place in places), places


def _catches_everything(node: ast.ExceptHandler) -> bool:
    return node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT_PATH))
        for path in list_python_files("controller", "tests", "migrations")
        if path.stat().st_size and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_nothing_is_left_unfinished() -> None:
    unfinished = []
    for name in list_tracked_files():
        path = ROOT_PATH / name
        if path.is_file() and UNFINISHED_WORDS.search(path.read_text(errors="replace")):
            unfinished.append(name)
    assert unfinished == []


def test_the_top_level_is_fixed() -> None:
    assert {name.partition("/")[0] for name in list_tracked_files()} <= TOP_LEVEL


def test_the_stubs_are_those_of_the_proto_files(tmp_path: Path) -> None:
    subprocess.run(["make", "-s", "proto", f"OUT={tmp_path}"], cwd=ROOT_PATH, check=True)
    for stubs_path in STUBS_PATHS:
        fresh_path = tmp_path / stubs_path.relative_to(ROOT_PATH)
        fresh = {path.name: path.read_text() for path in fresh_path.iterdir()}
        present = {path.name: path.read_text() for path in stubs_path.glob("*_pb2*")}
        stale = sorted(name for name in fresh.keys() | present if fresh.get(name) != present.get(name))
        assert stale == [], "run make proto"


def test_the_readme_draws_the_packages_that_exist() -> None:
    drawn = set(re.findall(r"controller/(\w+)", (ROOT_PATH / "README.md").read_text()))
    packages = {path.parent.name for path in (ROOT_PATH / "controller").glob("*/__init__.py")}
    assert packages - drawn == set(), "not in the README's picture"
    assert {name for name in drawn if not list((ROOT_PATH / "controller").glob(f"{name}*"))} == set(), "gone"
