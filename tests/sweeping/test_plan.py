"""What a sweep runs, and what it refuses before it runs anything."""

from __future__ import annotations

import json
import shutil
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_accel.config import inferences, read_config
from mtl_accel.core.errors import UserError
from mtl_accel.sweeping.arguments import sweep_arguments
from mtl_accel.sweeping.plan import plan_runs, settings_label
from mtl_accel.sweeping.space import parse_space
from mtl_accel.sweeping.sweep import sweep

QUICK = Path("configs/quickstart.json")


def refused(*given, **named) -> list[str]:
    with pytest.raises(UserError) as caught:
        plan_runs(*given, **named)
    return caught.value.problems


def test_every_config_runs_with_every_combination_and_every_seed(tmp_path):
    grid = {"optimizer.lr": [1e-3, 1e-4], "scheduler": [None, {"name": "StepLR", "step_size": 2}]}
    planned = plan_runs([QUICK, Path("configs/v5.json")], tmp_path, grid, [0, 7], {"epochs": 3})
    assert len({member.name for member in planned}) == len(planned) == 2 * 4 * 2
    names = [member.name for member in planned]
    assert names[:2] == ["quickstart-lr=0.001-scheduler=null-seed0", "quickstart-lr=0.001-scheduler=null-seed7"]
    assert names[2].startswith("quickstart-lr=0.001-scheduler=StepLR~")
    for member in planned:
        assert member.config.run_dir == str(tmp_path / member.name) and member.config.epochs == 3
        assert member.config.optimizer.lr == member.settings["optimizer.lr"]
        assert member.name.endswith(f"-seed{member.config.seed}")
    assert planned[2].config.scheduler.step_size == 2


def test_without_grid_and_seeds_each_config_runs_once_with_its_own_seed(tmp_path):
    planned = plan_runs([QUICK, Path("configs/v1.json")], tmp_path, {}, [], {})
    assert [member.name for member in planned] == ["quickstart-seed0", "v1-seed0"]
    alone = read_config(QUICK).model_copy(update={"run_dir": str(tmp_path / "quickstart-seed0"), "schema_": None})
    assert planned[0].config == alone


def test_a_branch_is_replaced_before_what_stands_in_it_is_set(tmp_path):
    grid = {"optimizer.lr": [0.5], "optimizer": [{"name": "SGD", "momentum": 0.9}]}
    (member,) = plan_runs([QUICK], tmp_path, grid, [], {})
    assert (member.config.optimizer.name, member.config.optimizer.lr) == ("SGD", 0.5)


def test_each_config_runs_as_it_is_and_as_each_variant(tmp_path):
    variants = {"no schedule": {"scheduler": None}, "one task": {"tasks": {"c": {"kind": "multiclass", "column": "c"}}}}
    planned = plan_runs([QUICK], tmp_path, {"optimizer.lr": [0.1, 0.2]}, [], {"epochs": 1}, variants)
    assert [member.settings["variant"] for member in planned] == ["none"] * 2 + ["no schedule"] * 2 + ["one task"] * 2
    assert {member.settings["optimizer.lr"] for member in planned} == {0.1, 0.2}
    assert len({member.name for member in planned}) == 6 and planned[0].name.startswith("quickstart-variant=none")
    assert planned[2].config.scheduler is None and planned[0].config.scheduler is not None
    assert set(planned[4].config.tasks) == {"c"} and all(member.config.epochs == 1 for member in planned)


def test_what_is_wrong_with_variants_is_told_by_their_names(tmp_path):
    variants = {"none": {"epochs": 1}, "odd": 3, "seeded": {"seed": 1}, "twice": {"optimizer.lr": 1}}
    problems = refused([QUICK], tmp_path, {"optimizer.lr": [1e-3]}, [], {}, variants)
    assert [problem.split(":")[1].strip() for problem in problems] == [
        "'none' is the name of the config as it is; choose another name",
        "odd must be an object of knobs by their dotted paths (got 3)",
        "seeded",
        "twice",
    ]
    (problem,) = refused([QUICK], tmp_path, {}, [], {}, {"wrong": {"optimizer.lrr": 1}})
    assert problem.startswith("--variants: wrong: optimizer.lrr: no such key (got 1)")
    (problem,) = refused([QUICK], tmp_path, {"optimzer.lr": [1]}, [], {})
    assert problem.startswith("--grid: optimzer: no such key")
    (problem,) = refused([QUICK], tmp_path, {}, [2**31], {})
    assert problem == "--seeds: seed: must be less than 2147483648 (got 2147483648)"


def test_everything_wrong_with_all_combinations_is_told_at_once_and_once(tmp_path):
    grid = {"optimizer.lrr": [1, 2], "optimizer.lr": [1e-3, -1], "epochs": [1, "a"]}
    problems = refused([QUICK, tmp_path / "none.json"], tmp_path / "out", grid, [0, 1], {"batch_size": 0})
    starts = [
        "--grid: optimizer.lrr: no such key (got 1)",
        "--grid: optimizer.lrr: no such key (got 2)",
        "--grid: optimizer.lr: must be greater than 0 (got -1)",
        '--grid: epochs: must be a valid integer (got "a")',
        "--batch_size: must be greater than 0 (got 0)",
        f"{tmp_path / 'none.json'}: no such file",
    ]
    for start in starts:
        assert len([problem for problem in problems if problem.startswith(start)]) == 1
    assert len(problems) == len(starts)
    # Of two configs it may be wrong with one only.
    assert all(problem.endswith(f" (with {QUICK})") for problem in problems if "none.json" not in problem)
    assert not (tmp_path / "out").exists()


def test_keys_that_a_sweep_sets_itself_and_doubled_ones_are_refused(tmp_path):
    copy = shutil.copy(QUICK, tmp_path)
    grid = {"run_dir": ["a"], "seed": [1], "epochs": [1, 1], "batch_size": 3, "trackers": []}
    overrides = {"run_dir": "b", "seed": 3, "epochs": 2}
    problems = refused([QUICK, Path(copy)], tmp_path, grid, [0, 0], overrides)
    for words in (
        "two files are named quickstart.json",
        "run_dir cannot be varied there; --output names the folder",
        "seed cannot be varied there; give --seeds",
        "--run_dir: a sweep names the folders",
        "--seed: stands beside --seeds",
        "--epochs: stands in --grid or --search as well",
        "--seeds: 0 stands twice",
        "--grid: epochs: 1 stands twice",
        'batch_size must have a list of values, such as "batch_size": [1, 2] (got 3)',
        "trackers must have a list of values",
    ):
        assert len([problem for problem in problems if words in problem]) == 1, words


def test_a_folder_with_a_run_of_another_config_is_refused_and_one_of_this_config_is_not(tmp_path):
    (member,) = plan_runs([QUICK], tmp_path, {"optimizer.lr": [0.01]}, [], {})
    member.folder.mkdir()
    written = member.config.model_dump(mode="json", by_alias=True)
    free = {"description": "moved", "run_dir": "elsewhere", "data": {**written["data"], "num_workers": 7}}
    (member.folder / "config.json").write_text(json.dumps({**written, **free}))
    assert plan_runs([QUICK], tmp_path, {"optimizer.lr": [0.01]}, [], {}) == [member]
    (problem,) = refused([QUICK], tmp_path, {"optimizer.lr": [0.01]}, [], {"epochs": 9})
    assert problem.startswith(f"{member.folder}: holds a run of another config: epochs is 9, and was 5; give another")


def test_what_a_run_inferred_does_not_make_it_another_config(tmp_path):
    (member,) = plan_runs([QUICK], tmp_path, {"optimizer.lr": [0.01]}, [], {})
    member.folder.mkdir()
    inferences.write(member.folder, member.config, {"data.delimiter": ";", "tasks.attribute.columns": ["a"]})
    (member.folder / "status.json").write_text("{}")
    assert plan_runs([QUICK], tmp_path, {"optimizer.lr": [0.01]}, [], {}) == [member]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.lists(st.from_regex(r"[a-z]{1,6}(\.[a-z]{1,6}){0,2}", fullmatch=True), min_size=1, max_size=3, unique=True)


@given(keys=KEYS, data=st.data())
def test_any_values_make_a_folder_s_name_and_other_values_another_one(keys, data):
    one, other = ({key: data.draw(JSON) for key in keys} for _ in range(2))
    name = settings_label(one)
    assert set(name) <= {*string.ascii_letters, *string.digits, *".+-_=~"} and len(name.encode()) < 200
    # Text that reads like another value is told apart by nothing; `plan_runs` refuses such a pair.
    if [json.dumps(v).strip('"') for v in one.values()] != [json.dumps(v).strip('"') for v in other.values()]:
        assert settings_label(other) != name


def test_the_space_of_a_search_is_read_strictly():
    read = parse_space(
        {
            "optimizer.lr": {"low": 1e-5, "high": 1e-2, "log": True},
            "epochs": {"low": 1, "high": 9, "step": 2},
            "optimizer": {"choices": ["a", None, {"name": "SGD"}]},
        }
    )
    assert [entry.ends for entry in read.values()] == [[1e-5, 1e-2], [1, 9], ["a", None, {"name": "SGD"}]]
    assert (read["optimizer.lr"].is_integer, read["epochs"].is_integer) == (False, True)
    wrong = {
        "a": {"low": 1},
        "b": {"low": 1, "high": "2"},
        "c": {"low": 3, "high": 2},
        "d": {"low": 0, "high": 2, "log": True},
        "e": {"low": 1, "high": 2, "log": True, "step": 1},
        "f": {"low": 1, "high": 2, "step": 0.5},
        "g": {"choices": []},
        "h": [1, 2],
        "i": {"low": 1, "high": 2, "lag": True},
        "j": {"low": 1, "high": 2, "log": 1},
    }
    with pytest.raises(UserError) as caught:
        parse_space(wrong)
    assert [problem.split(":")[1].strip() for problem in caught.value.problems] == list(wrong)
    for empty in ({}, [1], 3):
        with pytest.raises(UserError, match="must be an object"):
            parse_space(empty)


def test_grid_and_search_and_their_trials_exclude_one_another(tmp_path):
    found = {"low": 1e-5, "high": 1e-2}
    with pytest.raises(UserError) as caught:
        sweep([QUICK, QUICK], tmp_path, ["true"], grid={}, search={"optimizer.lr": found})
    assert [problem.split(":")[0].split(" ")[0] for problem in caught.value.problems] == [
        "--grid",
        "--config",
        "--trials",
    ]
    with pytest.raises(UserError, match="--trials: only with --search"):
        sweep([QUICK], tmp_path, ["true"], trials=3)
    with pytest.raises(UserError, match=r"^--search: optimizer.lr: must be greater than 0 \(got -1.0\)"):
        sweep([QUICK], tmp_path, ["true"], trials=3, search={"optimizer.lr": {"low": -1.0, "high": 1.0}})
    assert list(tmp_path.iterdir()) == []


def test_missing_variants_are_missed_by_their_own_option(tmp_path):
    path = tmp_path / "none.json"
    with pytest.raises(UserError, match=f"^{path}: no such file; give --variants the path of a JSON file$"):
        sweep_arguments(OPTIONS | {"variants": path, "search": None}, [], ["launch/train.py"])


OPTIONS = {
    "config": ["a"],
    "output": Path("out"),
    "trials": None,
    "grid": None,
    "seeds": None,
    "launch": None,
    "run_processes": None,
    "variants": None,
}


def test_the_options_are_read_and_all_their_problems_told_at_once(monkeypatch):
    given = OPTIONS | {"search": '{"a": {"low": 1, "high": 2}}', "seeds": "0, 3", "launch": 'env "A=b c" python'}
    found = sweep_arguments(given, ["--optimizer.lr", "3e-4"], ["launch/train.py"])
    assert found["command"] == ["env", "A=b c", "python", "launch/train.py"] and found["seeds"] == [0, 3]
    assert found["overrides"] == {"optimizer.lr": 3e-4} and found["search"] == {"a": {"low": 1, "high": 2}}
    monkeypatch.setenv("WORLD_SIZE", "2")
    wrong = OPTIONS | {"grid": "{", "search": "[1]", "seeds": "1,x", "launch": "no-such-launcher"}
    with pytest.raises(UserError) as caught:
        sweep_arguments(wrong, ["knob"], ["launch/train.py"])
    assert [problem.split(":")[0].split(",")[0] for problem in caught.value.problems] == [
        *("a sweep is one process", "--launch", "--grid", "--seeds", "'knob'", "--search")
    ]


def test_processes_of_each_run_are_handed_to_its_command_and_exclude_a_launcher():
    given = OPTIONS | {"search": None, "run_processes": 2}
    assert sweep_arguments(given, [], ["-m", "mtl_accel", "train"])["command"][1:] == (
        ["-m", "mtl_accel", "train", "--processes", "2"]
    )
    with pytest.raises(UserError, match="--launch and --processes exclude one another"):
        sweep_arguments(given | {"launch": "python"}, [], ["launch/train.py"])
