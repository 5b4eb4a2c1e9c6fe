"""Commands whose output nobody reads any more, by real pipes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from mtl_accel.cli.streams import survive_lost_readers
survive_lost_readers()
survive_lost_readers()
for number in range(100_000):
    print(number)
    print(number, file=sys.stderr)
open(sys.argv[1], "w").write("at its end")
"""


def shell(line: str, *arguments: str) -> tuple[str, str]:
    """What a line of bash prints, with "python" for this Python, and what it leaves on standard error."""
    prelude = f'python() {{ {sys.executable!r} "$@"; }}; set -o pipefail; '
    done = subprocess.run(
        ["bash", "-c", prelude + line, "bash", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("command", ["", "--help", "train --help", "evaluate --help", "sweep --help", "bench --help"])
@pytest.mark.parametrize("flags", ["", "-u"])
def test_help_into_a_pipe_that_is_closed_ends_without_a_word(command: str, flags: str) -> None:
    assert shell(f"python {flags} -m mtl_accel {command} | true; echo $?") == ("0\n", "")


def test_a_script_does_so_too() -> None:
    assert shell("python launch/train.py --help | head -n 1; echo $?")[1] == ""


@pytest.mark.parametrize(
    "pipes", ["| head -n 3", "2>&1 | head -n 3", ">&- 2>&-", "2>&-  >/dev/null", ">&- 2>/dev/null"]
)
@pytest.mark.parametrize("flags", ["", "-u"])
def test_a_command_goes_on_when_its_readers_are_gone(tmp_path: Path, pipes: str, flags: str) -> None:
    end = tmp_path / "end.txt"
    out, _ = shell(f'python {flags} -c "$1" "$2" {pipes}; echo $?', WRITER, str(end))
    assert out.splitlines()[-1] == "0"
    assert end.read_text() == "at its end"


def test_a_full_disk_is_not_taken_for_a_lost_reader(tmp_path: Path) -> None:
    end = tmp_path / "end.txt"
    out, err = shell('python -c "$1" "$2" >/dev/full; echo $?', WRITER, str(end))
    assert out != "0\n" and "No space left on device" in err and not end.exists()


def test_what_is_read_is_all_that_was_written() -> None:
    out, _ = shell('python -c "$1" /dev/null 2>/dev/null', WRITER)
    assert out.splitlines() == [str(number) for number in range(100_000)]
