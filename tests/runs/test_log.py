"""The run folder's records: the log block is the source's, rows are JSON, a kill leaves what was whole."""

from __future__ import annotations

import json
import os
import signal

import pytest

from mtl_accel.config import read_json, validate
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Task
from mtl_accel.runs.log import RunLog, environment, flat, log_block

TASKS = {
    "category": Task("category", "multiclass", ("category",), ("a", "b"), "accuracy"),
    "attribute": Task("attribute", "multilabel", ("x", "y"), ("x", "y"), "f1_macro"),
}


@pytest.fixture
def log(tmp_path, accelerator) -> RunLog:
    return RunLog(tmp_path, accelerator)


def values(accuracy: float, f1: float, loss: float) -> dict[str, float]:
    return {"category/accuracy": accuracy, "attribute/f1_macro": f1, "attribute/f1_micro": 0.9, "loss": loss}


def test_the_log_block_is_the_source_s():
    expected = (
        "===== Epoch 1 =====\n"
        "Train Acc (Category): 0.305817 Train F1 (Attribute): 0.041352 Train Loss: 4.125560\n"
        "Val Acc (Category): 0.375543 Val F1 (Attribute): 0.059967 Val Loss: 3.805826"
    )
    train, validation = values(0.305817, 0.041352, 4.12556), values(0.375543, 0.059967, 3.805826)
    assert log_block(1, TASKS, train, validation) == expected


def test_other_tasks_stand_in_the_log_block_under_their_own_names():
    tasks = {"shelf_life": Task("shelf_life", "regression", ("days",), ("days",), "mae")}
    block = log_block(12, tasks, {"shelf_life/mae": 2, "loss": float("nan")}, {"shelf_life/mae": 1 / 3, "loss": 1e3})
    assert block.splitlines() == [
        "===== Epoch 12 =====",
        "Train MAE (Shelf life): 2.000000 Train Loss: nan",
        "Val MAE (Shelf life): 0.333333 Val Loss: 1000.000000",
    ]


def test_what_is_said_stands_on_the_console_and_in_log_txt(log, capsys):
    log.say("first")
    log.say("Zürich, épaule")
    assert capsys.readouterr().out == "first\nZürich, épaule\n"
    assert (log.run_dir / "log.txt").read_text(encoding="utf-8") == "first\nZürich, épaule\n"


def test_rows_are_json_and_nan_becomes_null(log):
    log.event("epoch", epoch=1, train={"loss": float("nan")}, x=[float("inf"), 1.5], lr=1e-3)
    (line,) = (log.run_dir / "log.jsonl").read_text().splitlines()
    expected = {"event": "epoch", "epoch": 1, "train": {"loss": None}, "x": [None, 1.5], "lr": 1e-3}
    assert json.loads(line, parse_constant=pytest.fail) == expected
    assert log.rows() == [expected]


def cut(log: RunLog) -> None:
    """The first half of a row, as a kill in the middle of writing leaves it."""
    with (log.run_dir / "log.jsonl").open("a") as file:
        file.write('{"event": "epoch", "epo')


def test_a_row_cut_short_by_a_kill_is_passed_over(log):
    assert log.rows() == []
    for epoch in (1, 2):
        log.event("epoch", epoch=epoch)
    cut(log)
    assert [row["epoch"] for row in log.rows()] == [1, 2]


def test_a_run_that_fails_before_its_start_leaves_rows_that_can_be_read(log):
    log.event("epoch", epoch=1)
    cut(log)
    with pytest.raises(UserError), log.recording():
        raise UserError("no data")
    assert [row["event"] for row in log.rows()] == ["epoch", "end"]
    assert all(line.endswith("}") for line in (log.run_dir / "log.jsonl").read_text().splitlines())


@pytest.mark.parametrize(("resumed_at", "epochs"), [(None, []), ((0, 3), []), ((1, 0), [1]), ((2, 1), [1, 2])])
def test_a_start_keeps_the_rows_of_the_epochs_that_are_done(log, config, resumed_at, epochs):
    for epoch in (1, 2):
        log.event("epoch", epoch=epoch)
    log.event("end", status="stopped")
    cut(log)
    (log.run_dir / "log.txt").write_text("before\n")
    log.start(config, resumed_at)
    assert [row["epoch"] for row in log.rows()] == epochs
    assert (log.run_dir / "log.txt").read_text() == ("" if resumed_at is None else "before\n")


def test_a_start_keeps_the_rows_of_the_steps_that_are_done(log, config):
    for epoch, step in ((1, 1), (1, 9), (2, 1), (2, 4), (2, 5), (3, 1)):
        log.event("conflict", epoch=epoch, step=step, pairs=[])
    log.start(config, (1, 4))
    assert [(row["epoch"], row["step"]) for row in log.rows()] == [(1, 1), (1, 9), (2, 1), (2, 4)]


def test_a_start_keeps_the_step_rows_of_the_steps_that_are_done(log, config):
    for epoch, step in ((1, 10), (1, 12), (2, 4), (2, 10), (3, 1)):
        log.event("step", epoch=epoch, step=step, train={"loss": 1.0})
    log.start(config, (1, 4))
    assert [(row["epoch"], row["step"]) for row in log.rows()] == [(1, 10), (1, 12), (2, 4)]


def test_what_is_said_before_the_start_stays_in_log_txt_and_what_an_earlier_run_said_does_not(log, config):
    (log.run_dir / "log.txt").write_text("of an earlier run\n")
    log.say("decoding train: 64 of 5,528 pictures")
    log.start(config, None)
    log.say("starting")
    assert (log.run_dir / "log.txt").read_text() == "decoding train: 64 of 5,528 pictures\nstarting\n"


def test_a_start_writes_a_config_that_loads_back_and_the_environment(log, config, accelerator):
    log.start(config, None)
    path = log.run_dir / "config.json"
    assert validate(read_json(path), str(path)) == config
    written = json.loads((log.run_dir / "environment.json").read_text())
    assert written == environment(accelerator)
    assert written["processes"] == 1 and written["device"] == "cpu" and "torch" in written["packages"]


def test_ids_that_were_held_out_are_saved(log):
    log.write_validation_ids(())
    assert not (log.run_dir / "validation_ids.json").exists()
    log.write_validation_ids(("b.png", "a.png"))
    assert json.loads((log.run_dir / "validation_ids.json").read_text()) == ["b.png", "a.png"]


def status_of(log: RunLog) -> dict:
    return json.loads((log.run_dir / "status.json").read_text())


def test_status_says_running_with_the_process_then_whatever_it_is_told(log):
    with log.recording():
        assert status_of(log)["status"] == "running" and status_of(log)["pid"] == os.getpid()
    log.status("finished", exit_code=0, best=float("nan"))
    assert status_of(log)["status"] == "finished" and status_of(log)["best"] is None


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError(["first problem", "second"]), 2, "process 0: first problem"),
        (RuntimeError("broken"), 1, "process 0: broken"),
        (KeyboardInterrupt(signal.SIGINT), 1, "KeyboardInterrupt"),
    ],
)
def test_an_error_is_recorded_and_let_through(log, error, code, message):
    with pytest.raises(type(error)) as caught, log.recording():
        raise error
    assert caught.value is error
    status = status_of(log)
    assert (status["status"], status["exit_code"], status["message"]) == ("failed", code, message)
    assert log.rows() == [{"event": "end", "status": "failed", "message": message}]


def test_other_processes_write_nothing(log, config):
    log.active = False
    log.say("a")
    log.event("epoch", epoch=1)
    log.status("running")
    log.write_validation_ids(["a"])
    log.start(config, None)
    assert list(log.run_dir.iterdir()) == []


def test_a_config_becomes_one_level_of_plain_values(config):
    found = flat(config.model_dump(mode="json"))
    assert found["optimizer.name"] == "AdamW" and found["tasks.attribute.columns"] == "null"
    assert {type(value) for value in found.values()} <= {str, int, float, bool}
