"""Signals become one flag, and a second Ctrl-C ends at once."""

import os
import signal

import pytest

from mtl_accel.launching.interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_only_asks(number):
    with Interrupts({}) as interrupts:
        assert not interrupts.stop_requested
        os.kill(os.getpid(), number)
        assert interrupts.stop_requested
        assert interrupts.reason == number.name


def test_a_second_ctrl_c_ends_at_once():
    with Interrupts({}) as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.reason == "SIGINT"


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)]
    with Interrupts({}):
        pass
    assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)]
