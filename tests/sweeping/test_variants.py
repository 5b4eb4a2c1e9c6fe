"""What a variant changes, seed by seed; and the variants that are shipped."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from mtl_accel.config.differences import differences
from mtl_accel.sweeping.plan import AS_IT_IS, plan_runs
from mtl_accel.sweeping.sharing import sharing_table
from mtl_accel.sweeping.variants import quality_metrics, variant_table

QUICK = Path("configs/quickstart.json")
CATEGORY = {"kind": "multiclass", "column": "category"}
BOTH = {"tasks": {"category": CATEGORY, "size": {"kind": "regression", "columns": ["size"]}}}
# Which small recipes each shipped file is for.
SHIPPED = {"alone": ("v5", "v6", "best"), "balancing": ("best",), "best": ("best",), "v6": ("v6",)}


def test_a_variant_is_compared_with_the_same_seed_and_the_same_values_of_the_grid(tmp_path):
    variants = {"no schedule": {"scheduler": None}, "category alone": {"tasks.size.weight": 0}}
    planned = plan_runs([QUICK], tmp_path, {"optimizer.lr": [0.1, 0.2]}, [0, 1], BOTH, variants)
    # The settings of the runs in their order: each variant has both rates, and each rate both seeds.
    accuracy = [*(0.5, 0.6, 0.1, 0.2), *(0.6, 0.8, 0.1, 0.3), *(0.7, 0.6, 0.2, 0.3)]
    frame = pd.DataFrame(
        {
            "config": [f"{member.settings['variant']} {member.settings['optimizer.lr']}" for member in planned],
            "category/accuracy": accuracy,
            "size/mae": [1.0] * 4 + [2.0, 2.0, 3.0, 5.0] + [9.0] * 4,
            "loss": range(12),
        }
    )
    table = variant_table(planned, frame)
    assert table is not None and table.head == ("config", "variant", "runs", "Category accuracy", "Size MAE")
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["none 0.1", "no schedule", "2", "+0.1500 ± 0.0707", "+1.0000 ± 0.0000"],
        ["none 0.2", "no schedule", "2", "+0.0500 ± 0.0707", "+3.0000 ± 1.4142"],
        ["none 0.1", "category alone", "2", "+0.1000 ± 0.1414", "\N{EM DASH}"],  # size does not train there
        ["none 0.2", "category alone", "2", "+0.1000 ± 0.0000", "\N{EM DASH}"],
    ]


def test_a_figure_that_a_run_lacks_leaves_its_cell_open(tmp_path):
    planned = plan_runs([QUICK], tmp_path, {}, [0, 1], BOTH, {"no schedule": {"scheduler": None}})
    frame = pd.DataFrame({"config": list("aabb"), "category/accuracy": [0.5, 0.5, 0.6, None]})
    table = variant_table(planned, frame)
    assert table is not None and [cell.text for cell in table.rows[0].cells][2:] == ["2", "\N{EM DASH}"]


def test_without_the_config_as_it_is_or_without_variants_there_is_no_table(tmp_path):
    planned = plan_runs([QUICK], tmp_path, {}, [0], BOTH, {"no schedule": {"scheduler": None}})
    changed = [member for member in planned if member.settings["variant"] != AS_IT_IS]
    frame = pd.DataFrame({"config": ["a"], "category/accuracy": [0.5]})
    assert variant_table(changed, frame) is None  # the run of the config as it is has failed
    assert variant_table(plan_runs([QUICK], tmp_path, {}, [0], BOTH), frame) is None


@pytest.mark.parametrize("path", sorted(Path("configs/variants").glob("*.json")), ids=lambda path: path.stem)
def test_each_shipped_variant_fits_its_recipes_and_changes_them(path, tmp_path):
    variants = json.loads(path.read_text())
    configs = [Path(f"configs/small/{name}.json") for name in SHIPPED[path.stem]]
    planned = plan_runs(configs, tmp_path, {}, [0], {}, variants)
    assert len(planned) == len(configs) * (1 + len(variants))
    as_it_is = {member.source: member.config for member in planned if member.settings["variant"] == AS_IT_IS}
    for member in planned:
        before, after = (config.model_dump(mode="json") for config in (as_it_is[member.source], member.config))
        assert bool(differences(before, after)) == (member.settings["variant"] != AS_IT_IS), member.name


def test_the_shipped_single_tasks_are_all_that_delta_m_needs(tmp_path):
    configs = [Path(f"configs/small/{name}.json") for name in SHIPPED["alone"]]
    variants = json.loads(Path("configs/variants/alone.json").read_text())
    planned = plan_runs(configs, tmp_path, {}, [0, 1], {}, variants)
    frame = pd.DataFrame({"config": [f"{m.source} {m.settings['variant']}" for m in planned]})
    for metric in quality_metrics(planned):
        frame[metric] = 0.5
    table = sharing_table(planned, frame)
    assert table is not None and [row.cells[0].text for row in table.rows] == [
        f"{name} none" for name in SHIPPED["alone"]
    ]
    assert all(row.cells[2].text == "+0.0 ± 0.0" for row in table.rows)
