"""One run of a sweep in a process of its own: its start, its stop, and how it ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.rules.plugin_uses import used_plugins
from ..core import atomic_io
from ..core.control_characters import one_line
from ..core.errors import UserError
from ..core.plugins.loading import OPTION, plugins_of_children
from ..launching.interrupts import Interrupts
from ..runs.lock import lock_run_folder, owner_of
from .plan import Member

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Outcome:
    """The end of a run: status "finished", "stopped" or "failed", and why."""

    status: str
    message: str = ""


class Runner:
    """Runs members, and keeps how each ended, in their order.

    Args:
        command: starts a run when `--config FILE` is added to it.
        configs: folder for these files.
    """

    def __init__(self, command: Sequence[str], configs: Path, interrupts: Interrupts) -> None:
        self.command, self.configs, self.interrupts = list(command), configs, interrupts
        self.ended: list[tuple[Member, Outcome]] = []

    @property
    def stopped(self) -> bool:
        """Whether this process was asked to stop, or a run was."""
        return self.interrupts.stop_requested or any(outcome.status == "stopped" for _, outcome in self.ended)

    def add_if_finished(self, member: Member) -> None:
        """Add a run of an earlier start to those that have ended, if it has finished."""
        if _has_finished(member):
            self.ended.append((member, Outcome("finished")))

    def run(self, member: Member, place: str) -> Outcome:
        """Start or resume a member, unless it has finished. `place`: such as "2 of 9", for the console."""
        self._wait_for_owner(member)
        if _has_finished(member):
            _say(f"{place}: {member.name} has finished before")
            outcome = Outcome("finished")
        elif self.stopped:
            outcome = Outcome("stopped", "not started")
        else:
            _say(f"{place}: {member.name}")
            outcome = self._start(member)
        self.ended.append((member, outcome))
        return outcome

    def _start(self, member: Member) -> Outcome:
        """Run a member in a process, and wait for its end."""
        path = self.configs / f"{member.name}.json"
        atomic_io.write_json(path, member.config.model_dump(mode="json", by_alias=True))
        before = _status(member.folder)
        plugins = [word for plugin in plugins_of_children(used_plugins(member.config)) for word in (OPTION, plugin)]
        with _process([*self.command, *plugins, "--config", str(path)]) as process:
            code = self._wait(process, member, before)
            # A launcher may be gone before the processes that it started have saved.
            self._wait_until_free(member.folder)
        return self._outcome(member, before, code)

    def _wait(self, process: subprocess.Popen[bytes], member: Member, before: dict[str, Any]) -> int:
        is_forwarded = False
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_POLL_SECONDS)
            if self.interrupts.stop_requested and not is_forwarded:
                _request_stop(process, _status(member.folder), before)
                is_forwarded = True

    def _outcome(self, member: Member, before: dict[str, Any], code: int) -> Outcome:
        """Read status.json, since launchers turn every exit code into 1; but only if this start has written it."""
        after = _status(member.folder)
        if after != before and after.get("status") in ("finished", "stopped"):
            return Outcome(after["status"], str(after.get("message") or ""))
        if self.interrupts.stop_requested:
            return Outcome("stopped", "ended before it had saved anything new")
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if after != before and after.get("status") == "failed":
            return Outcome("failed", f"{after.get('message')} ({how})")
        return Outcome("failed", f"ended without a message ({how}); what it printed is above")

    def _wait_for_owner(self, member: Member) -> None:
        """Wait for a run that is still at work, as one that a killed sweep left behind; its result counts."""
        if not self.stopped and _is_owned(member.folder):
            _say(f"{member.name} is still at work ({owner_of(member.folder)}); waiting for it")
            while not self.stopped and _is_owned(member.folder):
                time.sleep(_POLL_SECONDS)

    def _wait_until_free(self, folder: Path) -> None:
        while _is_owned(folder):
            time.sleep(_POLL_SECONDS)


def _request_stop(process: subprocess.Popen[bytes], status: dict[str, Any], before: dict[str, Any]) -> None:
    """Send SIGTERM to the run's main process, which tells the others: not every launcher passes it on.

    Other processes get none: those that read pictures would die of it, and the run with them.
    """
    begun = status != before and status.get("status") == "running" and status.get("host") == socket.gethostname()
    with suppress(ProcessLookupError):
        if sys.platform == "win32":  # os.kill would end a process there before it has saved
            process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            os.kill(status["pid"] if begun else process.pid, signal.SIGTERM)


@contextmanager
def _process(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process in a group of its own, so that Ctrl-C reaches it through us; end what is left of the group."""
    of_windows = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    with subprocess.Popen(command, start_new_session=True, creationflags=of_windows) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                if hasattr(os, "killpg"):
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()


def _is_owned(folder: Path) -> bool:
    """Whether a process is at work in a run folder.

    Raises:
        UserError: the folder cannot be read.
    """
    if not folder.is_dir():
        return False
    try:
        with lock_run_folder(folder):
            return False
    except UserError as error:
        if isinstance(error.__cause__, BlockingIOError | TimeoutError):  # filelock's is one of the latter
            return True
        raise


def _has_finished(member: Member) -> bool:
    return bool(_status(member.folder).get("status") == "finished")


def _status(folder: Path) -> dict[str, Any]:
    path = folder / "status.json"
    found = atomic_io.read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise UserError(f"{path}: holds no object, so no run wrote it; delete the folder, or choose another --output")
    return found


def _say(text: str) -> None:
    print(f"sweep: {one_line(text)}", flush=True)
