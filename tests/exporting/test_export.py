"""A finished run, exported: files that stand alone, checked before they are written, and a true card."""

from __future__ import annotations

import importlib.metadata
import json
import runpy
import shutil
import sys
from pathlib import Path

import huggingface_hub
import numpy as np
import onnx
import onnxruntime
import pytest
import real_runs as runs
import small_run
import torch

from mtl_accel import models
from mtl_accel.config import read_run_config
from mtl_accel.config.sections.model import Architecture
from mtl_accel.config.sections.transforms import Normalize, Resize
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Task
from mtl_accel.data.labels.dataset import read_dataset
from mtl_accel.exporting import card, check, export, onnx_file, torch_file
from mtl_accel.exporting.graph import Graph
from mtl_accel.inference import predictor
from mtl_accel.report.records import runs as run_records
from mtl_accel.runs import model_folder
from mtl_accel.runs.model_folder import ModelDescription


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    source = runs.write_source(folder / "shapes", num_train=37, num_validation=13)
    config = runs.write_config(folder / "config.json", source, epochs=2)
    runs.run(config)
    return runs.run_dir(config)


@pytest.fixture(autouse=True)
def small_pair(monkeypatch):
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)


@pytest.fixture
def copy(run, tmp_path) -> Path:
    """A run of one's own to damage."""
    return Path(shutil.copytree(run, tmp_path / "copy", symlinks=True))


@pytest.fixture(scope="module")
def onnx_path(run) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, "small", small_run.Small)
        return export.export(run, "onnx").path


def validation(run: Path) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
    """The pictures as a file takes them, and what the predictor says of them."""
    split = read_dataset(read_run_config(run, [])).splits["validation"]
    at_work = predictor.load(run, "cpu")
    return check.sample_images(read_run_config(run, []), at_work.description)[0][: len(split)], at_work.probabilities(
        split
    )


def test_onnx_runtime_gives_the_predictor_s_probabilities_from_uint8_pictures(run, onnx_path):
    images, expected = validation(run)
    session = onnxruntime.InferenceSession(onnx_path)
    (taken,) = session.get_inputs()
    assert (taken.name, taken.type, taken.shape) == ("images", "tensor(uint8)", ["batch", 3, 32, 32])
    for batch in (1, 2, 13):
        found = dict(zip(expected, session.run(list(expected), {"images": images[:batch].numpy()}), strict=True))
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name][:batch], atol=1e-5)
    np.testing.assert_allclose(found["category"].sum(axis=1), 1, atol=1e-6)


def test_onnx_carries_what_the_model_folder_says(run, onnx_path):
    model = onnx.load(onnx_path)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", onnx_file.OPSET)]
    carried = {prop.key: json.loads(prop.value) for prop in model.metadata_props}
    described = json.loads((run / "model" / "config.json").read_text())
    assert {key: carried[key] for key in ("model", "tasks", "transforms")} == {
        key: described[key] for key in ("model", "tasks", "transforms")
    }
    assert len(carried["tasks"]["attribute"]["thresholds"]) == 3
    assert carried["versions"]["torch"] == importlib.metadata.version("torch")


def test_a_program_of_torch_gives_the_same_and_carries_the_same(run, onnx_path):
    done = export.export(run, "torch")
    images, expected = validation(run)
    extra = {torch_file.METADATA: ""}
    module = torch.export.load(done.path, extra_files=extra).module()
    with torch.no_grad():
        found = module(images)
    for name in expected:
        np.testing.assert_allclose(found[name].numpy(), expected[name], atol=1e-5)
    carried = {prop.key: json.loads(prop.value) for prop in onnx.load(onnx_path).metadata_props}
    assert json.loads(extra[torch_file.METADATA]) == carried


def test_a_file_names_no_place_of_the_machine_that_wrote_it(run, onnx_path):
    here = str(runs.ROOT).encode()
    path = export.export(run, "torch").path
    assert here not in onnx_path.read_bytes() and here not in path.read_bytes()
    assert not [path for path in run.glob("model/*") if path.name.startswith(".tmp")]


def test_a_model_that_says_something_else_is_not_written(copy, monkeypatch):
    write, read_back = torch_file.to_program, torch_file.Program

    def damaged(graph, description):
        graph.model.heads["category"].bias.data[0] += 0.01
        return write(graph, description)

    monkeypatch.setitem(export._ONE_FILE, "torch", ("model.pt2", damaged, read_back))
    (copy / "model" / "model.pt2").write_bytes(b"older")
    before = {path.name for path in (copy / "model").iterdir()}
    with pytest.raises(UserError) as caught:
        export.export(copy, "torch")
    batch, alone = caught.value.problems
    assert batch.startswith("tasks.category: the exported model differs by 0.00") and "in a batch of 64" in batch
    assert "each alone" in alone and "Nothing was written" in alone
    assert (copy / "model" / "model.pt2").read_bytes() == b"older"
    assert {path.name for path in (copy / "model").iterdir()} == before


def test_what_fails_for_single_pictures_only_is_found(run):
    folder = run / "model"
    description = model_folder.read_description(folder)
    graph = Graph(model_folder.load_model(folder, description), description)
    images = check.noise((3, 32, 32))
    expected = check.expected_outputs(model_folder.load_model(folder, description), description, images)

    @torch.no_grad()
    def fixed_batch(pictures):
        offset = 0.0 if len(pictures) == 64 else 0.001
        return {name: values.numpy() + offset for name, values in graph(pictures).items()}

    with pytest.raises(UserError) as caught:
        check.max_difference(fixed_batch, images, expected, description.tasks)
    assert len(caught.value.problems) == 2 and all("each alone" in problem for problem in caught.value.problems)


def test_noise_takes_the_place_of_pictures_that_are_gone_and_the_result_says_so(run, tmp_path):
    gone = read_run_config(run, ["--data.source", str(tmp_path / "gone")])
    done = export.export(run, "torch", tmp_path / "model.pt2", config=gone)
    assert done.difference < check.TOLERANCE
    assert done.checked_on.startswith("64 pictures of noise, since the validation pictures cannot be read")
    assert export.export(run, "safetensors").checked_on == "64 validation pictures, each of the 13 more than once"


def test_tasks_may_be_named_like_operators_inputs_and_weights():
    names = ["softmax", "sigmoid", "images", "images_", "type", "mean", "convolution", "val_0", "linear"]
    kinds = ["multiclass", "multilabel", "regression"]
    tasks = {name: Task(name, kinds[i % 3], (), ("a", "b"), "accuracy") for i, name in enumerate(names)}
    transforms = (Resize(name="Resize", size=(32, 40)), Normalize(name="Normalize"))
    description = ModelDescription(Architecture(name="small"), tasks, {}, transforms, "no", 8)
    model = small_run.Small(dict.fromkeys(tasks, 2)).eval()
    images = check.noise((3, 32, 40))[:3]
    expected = check.expected_outputs(model, description, images)
    for write, read_back in ((onnx_file.to_onnx, onnx_file.Session), (torch_file.to_program, torch_file.Program)):
        at_work = read_back(write(Graph(model, description), description))
        assert list(at_work(images)) == names
        assert check.max_difference(at_work, images, expected, tasks) < check.TOLERANCE


def test_the_copy_in_safetensors_is_a_model_folder_and_replaces_nothing_else(run, tmp_path):
    done = export.export(run, "safetensors", tmp_path / "copy")
    assert sorted(path.name for path in done.path.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    _images, expected = validation(run)
    split = read_dataset(read_run_config(run, [])).splits["validation"]
    found = predictor.load(done.path, "cpu").probabilities(split)
    np.testing.assert_array_equal(found["attribute"], expected["attribute"])
    export.export(run, "safetensors", tmp_path / "copy")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="exists and is no model folder"):
        export.export(run, "safetensors", tmp_path / "photos")
    with pytest.raises(UserError, match="is a folder; --format onnx writes one file"):
        export.export(run, "onnx", tmp_path / "photos")


def test_the_card_has_the_figures_of_the_run_and_no_path_of_the_machine(run):
    (record,) = run_records.read_runs([run])
    path = card.write_card(run / "model", record, model_folder.read_description(run / "model"), "owner/shapes")
    found = huggingface_hub.ModelCard.load(path)
    best = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()][-1]["best"]
    for name, value in best.items():
        assert f"| {name} | {value:.6f} |" in found.text
    results = {result.metric_name: result.metric_value for result in found.data.eval_results}
    assert results == {name: value for name, value in best.items() if not name.endswith("loss")}
    assert found.data.library_name == "mtl_accel" and found.data.model_name == "run"
    assert 'mtl_accel.load("owner/shapes")' in found.text and "`circle`, `line`, `square`" in found.text
    assert "the data set `shapes`" in found.text and '"source": "shapes"' in found.text
    assert str(run.parent) not in path.read_text()


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named_with_its_extra(run, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=rf"{name} cannot be imported.*pip install 'mtl_accel\[export\]'"):
        export.export(run, "onnx")


def script(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["launch/export.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path("launch/export.py", run_name="__main__")
    return int(ended.value.code or 0)


def test_the_script_says_what_it_wrote_and_how_well_it_agrees(run, monkeypatch, capsys, tmp_path):
    assert script(monkeypatch, "--run", str(run), "--format", "torch", "--output", str(tmp_path / "a.pt2")) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path / 'a.pt2'}: differs by at most ") and "64 validation pictures" in first
    assert second == f"{run / 'model' / 'README.md'}: the model card"


def test_a_run_without_a_model_and_wrong_options_are_reported(copy, monkeypatch, capsys, tmp_path):
    (copy / "model" / "model.safetensors").unlink()
    assert script(monkeypatch, "--run", str(copy), "--format", "onnx") == 2
    assert "holds no finished model" in capsys.readouterr().err
    assert script(monkeypatch, "--run", str(tmp_path), "--format", "onnx") == 2
    assert "holds no config.json" in capsys.readouterr().err
    assert script(monkeypatch, "--run", str(copy), "--format", "onnx", "--epochs", "3") == 2
    assert "--epochs: no such option" in capsys.readouterr().err


def test_an_upload_that_fails_leaves_the_export_in_place(copy, monkeypatch, capsys):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # closed
    options = ("--run", str(copy), "--format", "torch", "--push-to-hub", "owner/shapes")
    (copy / "model" / "model.pt2").unlink(missing_ok=True)
    assert script(monkeypatch, *options, "--output", "elsewhere.pt2") == 2
    assert not (copy / "model" / "model.pt2").exists()
    assert script(monkeypatch, *options) == 2
    assert "owner/shapes could not be written" in capsys.readouterr().err
    assert (copy / "model" / "model.pt2").is_file() and "owner/shapes" in (copy / "model" / "README.md").read_text()
