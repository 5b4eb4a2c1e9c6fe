"""Text from tables reaches the terminal as text: no cursor is moved, and no line of ours is forged."""

import logging
import sys

import pytest

from mtl_accel.cli.console import run_and_report_errors
from mtl_accel.core.control_characters import escape_control, one_line
from mtl_accel.core.errors import UserError

HOSTILE = "a\x1b[2Jb\rc\x00d\x9be\u202ef\ud800g\nerror: forged"


def test_control_characters_become_their_escapes_and_nothing_else_changes():
    assert escape_control(HOSTILE) == r"a\x1b[2Jb\rc\x00d\x9be\u202ef\ud800g" + "\nerror: forged"
    assert one_line("a\tb\nc") == r"a\tb\nc"
    plain = "Kleid \N{LATIN SMALL LETTER U WITH DIAERESIS} \N{BLACK STAR} \u4e2d\u6587 C:\\new \N{DRESS}"
    assert one_line(plain) == escape_control(plain) == plain


def raise_hostile() -> int:
    raise UserError([f"train.csv, line 2: {HOSTILE}", "another"])


def test_an_error_is_printed_without_control_characters_and_forges_no_other(capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert run_and_report_errors(raise_hostile) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("error:")] == [
        r"error: train.csv, line 2: a\x1b[2Jb\rc\x00d\x9be\u202ef\ud800g",
        "error: another",
    ]
    assert "       error: forged" in lines


def test_a_warning_of_a_script_is_printed_without_control_characters(capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(logging, "lastResort", logging._StderrHandler(logging.WARNING))
    monkeypatch.setattr(logging.getLogger("mtl_accel"), "propagate", False)  # past pytest's own handlers

    def warn() -> int:
        logging.getLogger("mtl_accel.data").warning("%s: left out", "x\x1b]0;title\x07.jpg")
        return 0

    assert run_and_report_errors(warn) == 0
    assert capsys.readouterr().err == r"x\x1b]0;title\x07.jpg: left out" + "\n"


@pytest.mark.parametrize("text", ["", "plain", "two\nlines"])
def test_escaping_twice_is_escaping_once(text):
    assert escape_control(escape_control(text)) == escape_control(text)
