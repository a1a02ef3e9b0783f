"""completion: scripts for shells, and what they ask for each word."""

import argparse
from collections.abc import Mapping, Sequence

from controller.cli.client import Client
from controller.cli.transport import CallFailed, Unreachable

ASK = "__complete"
"""The word by which scripts ask: `hold __complete WORD... LAST` prints `CANDIDATE<tab>WHAT`, and `:files` for files."""

_BASH = r"""# bash completion of hold: hold completion bash > /etc/bash_completion.d/hold
_hold() {
    local line word cut files=
    COMPREPLY=()
    # Bash has cut words at = and :, which are part of ours.
    local -a words=()
    read -ra words <<< "${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=("")
    word=${words[${#words[@]}-1]}
    cut=${word%"${COMP_WORDS[COMP_CWORD]#[=:]}"}
    while IFS= read -r line; do
        if [[ $line == :files ]]; then files=1; continue; fi
        line=${line%%$'\t'*}
        COMPREPLY+=("${line#"$cut"}")
    done < <(hold __complete "${words[@]:1}" 2>/dev/null)
    [[ -n $files ]] && while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${word#"$cut"}")
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:] ]] && compopt -o nospace
    return 0
}
complete -o filenames -F _hold hold"""

_ZSH = r"""#compdef hold
# zsh completion of hold: hold completion zsh > "${fpath[1]}/_hold"
_hold() {
    local line files=
    local -a found
    while IFS= read -r line; do
        if [[ $line == :files ]]; then files=1; continue; fi
        found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done < <(hold __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( ${#found} )) && _describe -t candidates hold found
    [[ -n $files ]] && _files
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _hold "$@"; else compdef _hold hold; fi"""

_FISH = r"""# fish completion of hold: hold completion fish > ~/.config/fish/completions/hold.fish
function __hold_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (hold __complete $words[2..-1] 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c hold -f -a '(__hold_complete)'"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def add_completion(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold completion`."""
    parser.add_argument("shell", choices=sorted(_SCRIPTS), help="The shell.")


def run_completion(_: Client, options: argparse.Namespace) -> int:
    """Print the script."""
    print(_SCRIPTS[options.shell])
    return 0


def print_candidates(client: Client, words: Sequence[str]) -> int:
    """Print what the last word may become, in the form that the scripts read."""
    from controller.cli.candidates import complete

    found = complete(words, lambda kind: _list_names(client, kind))
    for word, what in found.words.items():
        print(f"{word}\t{what}")
    if found.files:
        print(":files")
    return 0


def _list_names(client: Client, kind: str) -> Mapping[str, str]:
    try:
        resources = client.list_all(kind)
    except (CallFailed, Unreachable):
        return {}
    return {each.metadata.name: each.container_status.phase or kind for each in resources}
