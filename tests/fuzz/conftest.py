"""What every fuzz test asserts beside its own claim: no case runs a program or unpickles, and none takes for ever."""

import signal
import sys
from collections.abc import Iterator

import pytest
from fuzz_cases import TIMES

_LIMIT_SECONDS = 120 * TIMES
_FORBIDDEN = frozenset(
    ["os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pty.spawn", "pickle.find_class"]
)

_recorded: list[list[str]] = []


def _record(event: str, _: tuple[object, ...]) -> None:
    if _recorded and event in _FORBIDDEN:
        _recorded[-1].append(event)


sys.addaudithook(_record)  # can never be removed; outside of a fuzz test it does nothing


@pytest.fixture(autouse=True)
def watched() -> Iterator[None]:
    events: list[str] = []
    _recorded.append(events)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(_LIMIT_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        _recorded.pop()
    assert events == []
