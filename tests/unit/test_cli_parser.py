"""Switches as Docker writes them, what wrong words are told, nouns and verbs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cli.client import Failure
from controller.cli.detach_keys import parse_detach_keys
from controller.cli.groups import GROUPS, list_verbs, render_group_help, resolve
from controller.cli.main import COMMANDS, make_parser
from controller.cli.main import run as run_cli
from controller.cli.parser import Parser


@pytest.fixture
def parser() -> Parser:
    parser = Parser(prog="hold test", add_help=False)
    parser.add_argument("-r", "--rm", action="store_true", help="Switch.")
    parser.add_argument("--proxy", action="store_true", default=True, help="Switch that is on.")
    parser.add_argument("-n", "--number", type=int, help="Number.")
    parser.add_argument("-o", "--other", "--aka", type=float, help="Number with names.")
    parser.add_argument("--size", choices=["s", "l"], help="Choice.")
    parser.add_argument("name", help="Word.")
    return parser


@pytest.mark.parametrize(
    ("words", "rm", "proxy"),
    [
        ([], False, True),
        (["--rm"], True, True),
        (["-r"], True, True),
        (["--rm=true"], True, True),
        (["--rm=1"], True, True),
        (["-r=T"], True, True),
        (["--rm", "--rm=false"], False, True),
        (["--rm=0", "--rm"], True, True),
        (["--proxy=False"], False, False),
    ],
)
def test_switches_take_dockers_words(parser: Parser, words: list[str], rm: bool, proxy: bool) -> None:
    options = parser.parse_args([*words, "web"])
    assert (options.rm, options.proxy, options.name) == (rm, proxy, "web")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rm=maybe", "web"], "--rm is a switch: write --rm, --rm=true or --rm=false, not 'maybe'"),
        (["-n", "few", "web"], "--number: 'few' is not a number"),
        (["--number"], "--number wants a value"),
        ([], "name is missing"),
        (["--aka", "x", "web"], "--other: 'x' is not a number"),
        (["--nmuber", "web"], "--nmuber is not a flag of this command; did you mean --number?"),
        (["web", "shop"], "there is no room for shop"),
        (["--size", "what", "web"], "--size: 'what' is not known; known are s, l"),
    ],
)
def test_wrong_words_are_told_in_one_line(
    parser: Parser, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(words)
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"hold test: {told}: see `hold test --help`\n"


def test_a_switch_is_one_flag_in_the_help(parser: Parser) -> None:
    assert parser.format_help().count("--rm") == 1


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["ps", "-a"], ["ps", "-a"]),
        (["container", "ls", "-a"], ["ps", "-a"]),
        (["container", "run", "-d", "box"], ["run", "-d", "box"]),
        (["container", "inspect", "web"], ["inspect", "--type", "container", "web"]),
        (["container", "prune", "-f"], ["container prune", "-f"]),
        (["image", "ls"], ["images"]),
        (["image", "rm", "box"], ["rmi", "box"]),
        (["image", "import", "-", "box"], ["import", "-", "box"]),
        (["image", "--help"], ["image"]),
        (["container"], ["container"]),
    ],
)
def test_nouns_and_verbs_are_the_flat_commands(words: list[str], command: list[str]) -> None:
    assert resolve(words, COMMANDS) == command


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["imgae", "ls"], "did you mean image?"),
        (["container", "unpuase"], "did you mean unpause?"),
        (["image", "ps"], "hold image: 'ps' is not a verb"),
    ],
)
def test_near_misses_of_commands_are_named(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(words) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("noun", GROUPS)
def test_every_verb_of_a_noun_is_a_command(noun: str) -> None:
    verbs = list_verbs(noun, COMMANDS)
    assert {words[0] for words in verbs.values()} <= COMMANDS.keys()
    assert all(f"  {verb} " in render_group_help(noun, COMMANDS) for verb in verbs)


@pytest.mark.parametrize("words", [["help"], ["--help"], ["container", "--help"], ["help", "image"]])
def test_help_is_no_mistake(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(words) == 0
    assert "Usage: hold" in capsys.readouterr().out


def test_run_takes_the_switches_of_docker() -> None:
    options = make_parser("run").parse_args(["--rm=false", "-d=true", "-it", "box", "--rm=true"])
    assert (options.rm, options.detach, options.tty, options.command) == (False, True, True, ["--rm=true"])


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", b"\x10\x11"),
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("CTRL-A", b"\x01"),
        ("ctrl-@,x", b"\x00x"),
        ("ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x1b\x1c\x1d\x1e\x1f"),
        ("q", b"q"),
    ],
)
def test_detach_keys(text: str, keys: bytes) -> None:
    assert parse_detach_keys(text) == keys


@given(st.lists(st.sampled_from(["a", "Z", "~", "ctrl-a", "ctrl-\\", "ctrl-_"]), min_size=1, max_size=5))
def test_each_detach_key_is_one_byte(keys: list[str]) -> None:
    assert len(parse_detach_keys(",".join(keys))) == len(keys)


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-1", "alt-p", "ab", "a,,b", "é", ","])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="--detach-keys"):
        parse_detach_keys(text)


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        ("run", [], "IMAGE is missing"),
        ("exec", ["-u", "x"], "CONTAINER is missing"),
        ("rename", [], "CONTAINER and NEW_NAME are missing"),
        ("network", ["conect"], "'conect' is not known; did you mean connect?; known are ls, "),
        ("completion", ["tcsh"], "'tcsh' is not known; known are bash, fish, zsh"),
    ],
)
def test_what_is_missing_is_named(
    command: str, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        make_parser(command).parse_args(words)
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("run", "Usage: hold run [FLAGS] IMAGE [COMMAND...]"),
        ("start", "Usage: hold start [FLAGS] CONTAINER..."),
        ("network", "Usage: hold network [FLAGS] VERB ..."),
        ("rename", "Usage: hold rename [FLAGS] CONTAINER NEW_NAME"),
        ("completion", "Usage: hold completion [FLAGS] bash|fish|zsh"),
    ],
)
def test_the_usage_is_one_line(command: str, usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_cli([command, "--help"])
    assert caught.value.code == 0
    first, empty, *rest = capsys.readouterr().out.splitlines()
    assert (first, empty, any("--help" in line for line in rest)) == (usage, "", True)


@pytest.mark.parametrize(
    ("words", "interactive", "tty"),
    [
        (["-it"], True, True),
        (["-it=true"], True, True),
        (["-it=false"], True, False),
        (["-ti=0"], False, True),
        (["-dit=T"], True, True),
        (["-i=false", "-t=1"], False, True),
        (["-i", "--tty=false"], True, False),
        (["-it", "-it=false"], True, False),
    ],
)
@pytest.mark.parametrize("command", ["run", "create", "exec"])
def test_switches_in_one_word_take_a_value(
    command: str, words: list[str], interactive: bool, tty: bool
) -> None:
    words = [word.replace("d", "") for word in words] if command == "create" else words
    options = make_parser(command).parse_args([*words, "box", "sh", "-it=true", "-c=x"])
    assert (options.interactive, options.tty) == (interactive, tty)
    assert options.command == ["sh", "-it=true", "-c=x"]


@pytest.mark.parametrize("word", ["-it=maybe", "-iz=true", "-=true"])
def test_words_that_are_no_switches_stay_wrong(word: str) -> None:
    with pytest.raises(SystemExit):
        make_parser("exec").parse_args([word, "box", "sh"])
