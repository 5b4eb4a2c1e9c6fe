"""The command line: overrides by dotted path, --help, and every problem at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from mtl_accel.config import Config, help_text, parse_command_line, read_json, read_run_config
from mtl_accel.config.knobs import branch_of, sections_in
from mtl_accel.config.sections.optimization import SGD
from mtl_accel.config.sections.schedules import StepLR
from mtl_accel.core.errors import UserError

V5 = "configs/v5.json"
SWITCHES = {"config": "JSON file of the run.", "debug": "Two batches.", "resume": "Where to go on."}


def v5(*arguments: str) -> Config:
    config, _ = parse_command_line(["--config", V5, *arguments], SWITCHES)
    return config


def problems(*arguments: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        parse_command_line(arguments, SWITCHES)
    return caught.value.problems


def v5_problems(*arguments: str) -> list[str]:
    return problems("--config", V5, *arguments)


def test_a_dotted_override_changes_one_knob_and_no_other() -> None:
    before, after = v5().model_dump(), v5("--optimizer.lr", "3e-4").model_dump()
    assert after["optimizer"].pop("lr") == 3e-4
    assert before["optimizer"].pop("lr") == 1e-4
    assert after == before


@pytest.mark.parametrize(
    ("arguments", "path", "value"),
    [
        (["--epochs", "2"], "epochs", 2),
        (["--epochs=2"], "epochs", 2),
        (["--tasks.category.weight", "2"], "tasks.category.weight", 2.0),
        (["--data.wardrobe.num_train", "10"], "data.wardrobe.num_train", 10),
        (["--transforms.train.3.hue", "0.2"], "transforms.train.3.hue", 0.2),
        (["--scheduler", "null"], "scheduler", None),
        (["--micro_batch_size", "8"], "micro_batch_size", 8),
        (["--trackers", '["wandb"]'], "trackers", ("wandb",)),
        (["--description", "two words"], "description", "two words"),
        (["--description", "a=b"], "description", "a=b"),
        (["--sync_batchnorm"], "sync_batchnorm", True),
    ],
)
def test_an_override_reaches_its_knob(arguments: list[str], path: str, value: object) -> None:
    place: Any = v5(*arguments).model_dump()
    for part in path.split("."):
        place = place[int(part)] if isinstance(place, tuple) else place[part]
    assert place == value


@pytest.mark.parametrize("value", ["12", "1e5", "true", "0123456"])
@pytest.mark.parametrize("key", ["run_dir", "data.source", "data.revision", "tasks.category.column"])
def test_a_text_knob_takes_a_word_that_looks_like_a_number(key: str, value: str) -> None:
    place: Any = v5(f"--{key}", value).model_dump()
    for part in key.split("."):
        place = place[part]
    assert place == value


def test_null_clears_a_text_knob() -> None:
    assert v5("--model.weights", "null").model.weights is None


def test_an_object_replaces_the_whole_branch() -> None:
    assert v5("--optimizer", '{"name": "SGD", "lr": 0.01}').optimizer == SGD(name="SGD", lr=0.01)


def test_a_branch_and_then_one_of_its_knobs() -> None:
    config = v5("--scheduler", '{"name": "StepLR", "step_size": 5}', "--scheduler.step_size", "7")
    assert config.scheduler == StepLR(name="StepLR", step_size=7)


def test_a_task_can_be_added() -> None:
    config = v5("--tasks.season", '{"kind": "multiclass", "column": "season"}')
    assert set(config.tasks) == {"category", "attribute", "season"}


def test_overrides_are_merged_before_one_validation() -> None:
    # Each of the two alone would be wrong.
    arguments = ["--epochs", "40", "--scheduler", '{"name": "MultiStepLR", "milestones": [30]}']
    assert v5(*arguments).epochs == 40
    assert v5_problems(*arguments[2:])


def test_switches_are_handed_back_and_are_no_knobs() -> None:
    config, own = parse_command_line(["--debug", "--config", V5, "--resume", "runs/a"], SWITCHES)
    assert own == {"debug": True, "resume": "runs/a"}
    assert config == v5()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--optimizer.lr", "-1"], ["optimizer.lr", "greater than 0", "got -1"]),
        (["--optimizer.lrr", "1"], ["optimizer.lrr", "no such key", "got 1", "did you mean 'lr'"]),
        (["--epochz", "2"], ["--epochz", "got 2", "did you mean 'epochs'"]),
        (["--debgu"], ["--debgu", "did you mean 'debug'"]),
        (["--optimizer.name", "Adamw"], ["optimizer.name", "'Adamw'", "Adam, AdamW, SGD", "did you mean 'AdamW'"]),
        (["--optimizer", "3"], ["optimizer", "object", "got 3"]),
        (["--optimizer", '{"lr": 1}'], ["optimizer", '"name"', '{"lr": 1}']),
        (["--optimizer", '{"name": "SGD" "lr": 1}'], ["--optimizer", "line 1, column 16", "not valid JSON"]),
        (["--optimizer", '{"name": "SGD", "lr": 1, "lr": 2}'], ["--optimizer", "'lr'", "twice"]),
        (["--data.cache", "disc"], ["data.cache", '"disc"', "'device'", "did you mean 'disk'"]),
        (["--epochs", "2", "--epochs", "3"], ["--epochs", "twice", "2 and 3"]),
        (["--epochs"], ["epochs", "integer", "got true"]),
        (["--transforms.train.9.hue", "0"], ["--transforms.train.9.hue", "6 entries", "'9'", "--transforms.train as"]),
        (["--seed.x", "1"], ["--seed.x", "seed is 0", "set --seed as a whole"]),
        (["epochs"], ["'epochs'", "--epochs 2"]),
        (["--"], ["'--'", "--epochs 2"]),
    ],
)
def test_wrong_input_gives_path_value_rule_and_suggestion(arguments: list[str], parts: list[str]) -> None:
    (message,) = v5_problems(*arguments)
    assert [part for part in parts if part not in message] == []


def test_every_problem_is_told_at_once() -> None:
    found = v5_problems("word", "--optimizer.lr", "-1", "--epochz", "2", "--seed.x", "1", "--select_by", "loos")
    for part in ("'word':", "optimizer.lr:", "--epochz:", "--seed.x:", "select_by:"):
        assert len([message for message in found if part in message]) == 1
    assert len(found) == 5


def test_a_missing_config_is_told() -> None:
    assert problems("--epochs", "2") == [
        "--config is missing; give a JSON file, or the name of a shipped config, such as quickstart"
    ]


def test_a_missing_file_is_told_with_the_nearest_name() -> None:
    (message,) = problems("--config", "configs/v5.jsn")
    assert message.startswith("configs/v5.jsn: no such file")
    assert "did you mean configs/v5.json?" in message


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(words=st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["--optimizer", "--tasks.a", "--data.cache"]))))
def test_no_command_line_ends_in_another_error(words: list[str]) -> None:
    try:
        parse_command_line(["--config", V5, *words], SWITCHES)
    except UserError as error:
        assert error.problems


def _sections(model: type[BaseModel]) -> set[type[BaseModel]]:
    inner = {section for field in model.model_fields.values() for section in sections_in(field.annotation)}
    return {model}.union(*map(_sections, inner))


def test_help_lists_every_knob_with_type_default_and_meaning() -> None:
    text = help_text("train.py", "Train.", SWITCHES)
    joined, heads = " ".join(text.split()), {line.strip().removeprefix("--") for line in text.splitlines()}
    ends = heads | {head.rpartition(".")[2] for head in heads}
    for section in _sections(Config):
        for key, field in section.model_fields.items():
            if key == "schema_":
                continue
            if branch_of(section) is not None and key in ("name", "kind"):  # shown as a choice of the branch
                continue
            assert key in ends, f"{section.__name__}.{key}"
            assert f"{field.description} (" in joined
    joined = " ".join(text.split())
    assert "--epochs Passes over the training split. (int, default 20)" in joined
    assert "--scheduler.step_size Epochs between two drops. (int, required)" in joined
    assert all(f"--{name} {meaning}" in joined for name, meaning in SWITCHES.items())


def test_every_config_of_ours_is_parsed_from_its_file() -> None:
    for path in Path("configs").glob("*.json"):
        if path.name != "schema.json":
            config, _ = parse_command_line(["--config", str(path)], SWITCHES)
            assert json.loads(config.model_dump_json())["run_dir"] == read_json(path)["run_dir"]


def test_the_model_in_a_run_folder_is_not_taken_for_the_run(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "model" / name).write_text("{}")
    with pytest.raises(UserError, match=r"is the finished model of a run; give the run's folder"):
        read_run_config(tmp_path / "model", [])
    with pytest.raises(UserError, match=r"holds no config\.json"):
        read_run_config(tmp_path, [])
