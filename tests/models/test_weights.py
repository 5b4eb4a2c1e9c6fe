"""Weights of a backbone from local files, hostile and damaged ones among them."""

from __future__ import annotations

import logging
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights

from mtl_accel.core.errors import UserError
from mtl_accel.models.heads import Heads, linear
from mtl_accel.models.weights import load_backbone_weights


class Backbone(nn.Module):
    """As small as a torchvision network can be; `pooled` is what a pair without the ImageNet layer makes of it."""

    def __init__(self, pooled: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.bn = nn.BatchNorm2d(2)
        self.fc = nn.Identity() if pooled else nn.Linear(2, 5)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def load(path: Path, backbone: nn.Module | None = None) -> nn.Module:
    backbone = backbone or Backbone()
    load_backbone_weights(backbone, str(path), ResNet18_Weights)
    return backbone


@pytest.fixture
def state() -> dict[str, Tensor]:
    return Backbone().state_dict()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_a_local_file_fills_the_backbone(suffix: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    assert same(load(path).state_dict(), state)


@pytest.mark.parametrize("given", ["run", "run/model"])
def test_the_folder_of_a_run_or_of_its_model_stands_for_the_model_in_it(
    given: str, state: dict[str, Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "run" / "model" / "model.safetensors"
    file.parent.mkdir(parents=True)
    save_file({f"backbone.{key}": tensor for key, tensor in state.items()} | {"heads.a": torch.ones(2)}, file)
    with caplog.at_level(logging.INFO):
        assert same(load(tmp_path / given).state_dict(), state)
    assert f"{tmp_path / given}: the backbone of its model is loaded, from {file}" in caplog.text
    file.unlink()
    with pytest.raises(UserError, match="give the folder of a run that has finished"):
        load(tmp_path / given)


def test_no_weights_leave_the_backbone_as_it_is(state: dict[str, Tensor]) -> None:
    backbone = Backbone()
    before = {key: tensor.clone() for key, tensor in backbone.state_dict().items()}
    load_backbone_weights(backbone, None, ResNet18_Weights)
    assert same(backbone.state_dict(), before)


def test_a_whole_model_gives_its_backbone_and_not_its_heads(tmp_path: Path) -> None:
    model = nn.ModuleDict({"backbone": Backbone(), "heads": Heads({"type": linear(5, 2)})})
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    assert same(load(tmp_path / "model.safetensors").state_dict(), model["backbone"].state_dict())


def test_a_pooled_pair_leaves_out_the_imagenet_classifier_and_logs_it(
    state: dict[str, Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(state, tmp_path / "weights.pth")
    with caplog.at_level(logging.INFO, "mtl_accel.models.weights"):
        pooled = load(tmp_path / "weights.pth", Backbone(pooled=True))
    assert same(pooled.state_dict(), {key: state[key] for key in state if not key.startswith("fc.")})
    assert "fc.weight, fc.bias" in caplog.text


def test_a_mismatch_lists_missing_unexpected_misshapen_and_infinite_keys(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    del state["conv.bias"]
    state |= {"layer9.weight": torch.ones(1), "fc.weight": torch.ones(7, 2), "fc.bias": torch.full((5,), torch.nan)}
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(UserError) as caught:
        load(tmp_path / "weights.pth")
    for part in (
        str(tmp_path / "weights.pth"),
        "missing: conv.bias;",
        "unexpected: layer9.weight;",
        "wrongly shaped: fc.weight is [7, 2] and must be [5, 2];",
        "not finite: fc.bias.",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64, torch.bool])
def test_weights_of_a_type_that_a_cast_would_change_are_refused(
    dtype: torch.dtype, state: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save({**state, "fc.bias": state["fc.bias"].to(dtype)}, tmp_path / "cast.pth")
    with pytest.raises(UserError, match=f"of another type: fc.bias is {str(dtype).removeprefix('torch.')}"):
        load(tmp_path / "cast.pth")


def test_an_archive_that_is_compressed_is_refused_before_it_is_unpacked(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save({**state, "fc.bias": torch.zeros(1 << 20)}, tmp_path / "stored.pth")
    with (
        zipfile.ZipFile(tmp_path / "stored.pth") as stored,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in stored.namelist():
            bomb.writestr(name, stored.read(name))
    assert (tmp_path / "bomb.pth").stat().st_size < 100_000
    with pytest.raises(UserError, match=r"its archive is compressed, which torch\.save never does"):
        load(tmp_path / "bomb.pth")


def test_a_tensor_that_a_few_bytes_spread_to_terabytes_is_refused_by_its_shape(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save({**state, "fc.bias": torch.zeros(1).expand(10**7, 10**6)}, tmp_path / "spread.pth")
    with pytest.raises(UserError, match=r"wrongly shaped: fc\.bias is"):
        load(tmp_path / "spread.pth")


def test_old_files_without_batchnorms_counter_load(state: dict[str, Tensor], tmp_path: Path) -> None:
    del state["bn.num_batches_tracked"]
    save_file(state, tmp_path / "old.safetensors")
    assert torch.equal(load(tmp_path / "old.safetensors").state_dict()["conv.weight"], state["conv.weight"])


@pytest.mark.parametrize(
    ("held", "named"),
    [
        ({"state_dict": {"conv.bias": torch.ones(2)}, "epoch": 3}, "state_dict, epoch"),
        ([torch.ones(2)], "list"),
        (torch.ones(2), "Tensor"),
        ({3: torch.ones(2)}, "3"),
    ],
)
def test_what_is_no_state_dict_is_named(held: Any, named: str, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "weights.pth")
    with pytest.raises(UserError, match=rf"weights\.pth must hold a state dict, names to tensors, but holds {named};"):
        load(tmp_path / "weights.pth")


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def _zip(held: Any, path: Path) -> None:
    torch.save(held, path)


def _legacy(held: Any, path: Path) -> None:
    torch.save(held, path, _use_new_zipfile_serialization=False)


def _plain(held: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(held, protocol=2))


@pytest.mark.parametrize("write", [_zip, _legacy, _plain])
def test_a_hostile_pickle_is_named_and_not_run(write: Callable[[Any, Path], None], tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "hostile.pth"
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists(), "the payload works"
    trace.unlink()
    write({"conv.weight": Payload(trace)}, path)
    with pytest.raises(UserError, match=r"hostile\.pth cannot be read \(UnpicklingError: .*GLOBAL ") as caught:
        load(path)
    assert not trace.exists()
    assert "weights_only" not in str(caught.value), "no advice to switch the safety off"
    assert "\n" not in str(caught.value)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from([".pth", ".safetensors"]),
    cut=st.integers(0, 3000),
    at=st.integers(0, 3000),
    junk=st.binary(min_size=1, max_size=40),
)
def test_a_damaged_file_never_ends_in_another_error(
    suffix: str, cut: int, at: int, junk: bytes, tmp_path: Path
) -> None:
    path = tmp_path / f"damaged{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(Backbone().state_dict(), path)
    content = bytearray(path.read_bytes())
    content[at : at + len(junk)] = junk
    path.write_bytes(content[: len(content) - cut])
    try:
        load(path)  # damage to the tensors' own bytes alone goes unseen
    except UserError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(
    ("given_name", "suggested"),
    [("IMAGENET1K_V11", "IMAGENET1K_V1"), ("imagenet1k_v1", "IMAGENET1K_V1"), ("default", "DEFAULT")],
)
def test_an_unknown_name_lists_the_names_and_the_nearest(given_name: str, suggested: str) -> None:
    with pytest.raises(UserError) as caught:
        load(Path(given_name))
    assert repr(given_name) in str(caught.value)
    assert "ResNet18_Weights (IMAGENET1K_V1, DEFAULT)" in str(caught.value)
    assert f"did you mean '{suggested}'?" in str(caught.value)


def test_a_path_must_exist_and_end_in_what_tells_its_kind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.pth' is neither a name .* nor the path of a file that exists"):
        load(tmp_path / "none.pth")
    (tmp_path / "weights.bin").touch()
    with pytest.raises(UserError, match=r"weights\.bin must end in one of \.pth, \.pt, \.safetensors"):
        load(tmp_path / "weights.bin")
