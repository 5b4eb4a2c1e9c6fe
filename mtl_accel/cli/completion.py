"""Print the completion of a shell: mtl-accel completion bash

With the line `source <(mtl-accel completion bash)` in ~/.bashrc, or the same of zsh in ~/.zshrc, or for fish
`mtl-accel completion fish > ~/.config/fish/completions/mtl-accel.fish`, the Tab key completes commands, their options,
every knob, and the names of the shipped configs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ..config.files.shipped import shipped_configs
from .commands import COMMANDS
from .console import run_command

_BASH = """\
_mtl_accel() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" options=""
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
        return
    fi
    case "${{COMP_WORDS[1]}} $before" in
{values}
    esac
    case "${{COMP_WORDS[1]}}" in
{options}
    esac
    case "$word" in
        -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
        *) COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
}}
complete -o filenames -F _mtl_accel mtl-accel
"""


class Options(NamedTuple):
    """Options of a command, and the values of those that have a list of them."""

    names: list[str]
    choices: dict[str, list[str]]


def options_of(name: str) -> Options:
    """Read the options of a command from its --help, which lists every knob that it takes."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        COMMANDS[name].main(["--help"])
    text = printed.getvalue()
    found = dict.fromkeys(re.findall(r"(?<![\w-])--\w[\w.-]*\w", text))
    # NAME, N and KEY stand for what only a config says.
    names = [option for option in found if not {"NAME", "N", "KEY"} & set(option.strip("-").split("."))]
    choices = {option: values.split(",") for option, values in re.findall(r"(--[\w-]+) \{([\w,]+)\}", text)}
    return Options(names, choices)


def bash(commands: Mapping[str, Options]) -> str:
    """Script for bash."""
    configs = f'$(compgen -W \'{" ".join(shipped_configs())}\' -- "$word") $(compgen -f -- "$word")'
    places = ["*' --config'", "'init init'", *(f"'config {action}'" for action in ("show", "validate", "diff"))]
    values = [f"        {'|'.join(places)}) COMPREPLY=({configs}); return ;;"]
    for name, command in commands.items():
        for option, choices in command.choices.items():
            words = f"$(compgen -W '{' '.join(choices)}' -- \"$word\")"
            values.append(f"        '{name} {option}') COMPREPLY=({words}); return ;;")
    options = [f"        {name}) options='{' '.join(command.names)}' ;;" for name, command in commands.items()]
    return _BASH.format(commands=" ".join(commands), values="\n".join(values), options="\n".join(options))


def zsh(commands: Mapping[str, Options]) -> str:
    """Script for zsh, which understands bash's."""
    return f"autoload -U +X bashcompinit && bashcompinit\n{bash(commands)}"


def fish(commands: Mapping[str, Options]) -> str:
    """Script for fish."""
    lines = []
    for name, command in commands.items():
        summary = (COMMANDS[name].__doc__ or "").partition(":")[0]
        lines.append(f'complete -c mtl-accel -n __fish_use_subcommand -f -a {name} -d "{summary}"')
        here = f"complete -c mtl-accel -n '__fish_seen_subcommand_from {name}'"
        for option in command.names:
            choices = shipped_configs() if option == "--config" else command.choices.get(option, ())
            values = f" -r -a '{' '.join(choices)}'" if choices else ""
            lines.append(f"{here} -l {option.removeprefix('--')}{values}")
    return "\n".join(lines) + "\n"


_SHELLS: dict[str, Callable[[Mapping[str, Options]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}


def _completion(options: argparse.Namespace, _rest: list[str]) -> int:
    print(_SHELLS[options.shell]({name: options_of(name) for name in COMMANDS}), end="")
    return 0


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel completion", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    parser = argparse.ArgumentParser(
        prog=program, description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shell", choices=_SHELLS)
    return run_command(parser, _completion, arguments, takes_knobs=False)
