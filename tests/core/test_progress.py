"""Lines of a long stage: the innermost one speaks, on the main thread's behalf, and nothing is swallowed."""

from __future__ import annotations

import sys
import threading

import pytest

from mtl_accel.core.progress import Pace, counted, format_seconds, progress_lines, stage

OFTEN = 0.001  # seconds


class Said:
    """Keeps what is said, and can be waited for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for(self, start: str) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: any(line.startswith(start) for line in self.lines), timeout=60)
            assert found, self.lines


def test_the_innermost_stage_describes_itself_and_the_outer_one_again_when_it_is_over() -> None:
    said = Said()
    with progress_lines(said, OFTEN):
        with stage(lambda: "outer"):
            said.wait_for("outer")
            with stage(lambda: "inner"):
                said.wait_for("inner")
            said.lines.clear()
            said.wait_for("outer")
        assert set(said.lines) <= {"inner", "outer"}  # one may be on its way when the other begins
    with stage(lambda: "nobody asks"):
        said.lines.clear()
    assert said.lines == []


def test_items_are_counted_while_they_are_worked_on() -> None:
    said = Said()
    with progress_lines(said, OFTEN):
        for number in counted("abc", "decoding train", 1000, "pictures"):
            if number == "b":
                said.wait_for("decoding train: 1 of 1,000 pictures, ")


def test_what_another_process_shows_is_silent_here_and_complete() -> None:
    said = Said()
    with progress_lines(said, OFTEN):
        assert list(counted("abc", "decoding", 3, "pictures", hidden=True)) == ["a", "b", "c"]
    assert said.lines == []


@pytest.mark.parametrize("case", ["terminal", "never"])
def test_there_are_no_lines_beside_a_bar_nor_where_none_are_wanted(case: str, monkeypatch) -> None:
    said = Said()
    if case == "terminal":
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress_lines(said, None if case == "never" else OFTEN), stage(lambda: pytest.fail("nobody asks")):
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("progress")] == []


def test_an_error_of_the_log_ends_the_block_and_one_of_the_block_comes_first() -> None:
    failed = threading.Event()

    def say(line: str) -> None:
        failed.set()
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"), progress_lines(say, OFTEN), stage(lambda: "x"):
        assert failed.wait(60)
    with pytest.raises(ValueError, match="of the block"), progress_lines(say, OFTEN):
        raise ValueError("of the block")


def test_the_time_left_is_that_of_the_speed_since_this_start() -> None:
    pace = Pace("decoding", 5528, "pictures", start=5000)
    assert pace.describe(5000) == "decoding: 5,000 of 5,528 pictures"
    assert pace.describe(5528) == "decoding: 5,528 of 5,528 pictures, 0.0 s left"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0.0 s"), (119.9, "119.9 s"), (120, "2.0 min"), (9000, "2.5 h")])
def test_a_time_is_in_the_unit_that_a_person_would_choose(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
