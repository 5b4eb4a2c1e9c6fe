"""The pages about watching a run and about callbacks: every command is typed in, and every block of Python is run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib as mpl
import pytest
import real_runs as runs
from pages import Block, blocks
from PIL import Image
from typed import type_in

pytestmark = pytest.mark.slow

FEW = {"num_train": 40, "num_validation": 20, "num_test": 2, "image_size": 64}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder as a reader has it, with fewer garments in the quickstart, and photos of their own."""
    made = tmp_path_factory.mktemp("reader")
    (made / "launch").symlink_to(runs.ROOT / "launch")
    config = json.loads((runs.ROOT / "configs" / "quickstart.json").read_text())
    config["data"]["wardrobe"] = FEW
    for place in ("configs", "photos"):
        (made / place).mkdir()
    for file in (made / "quickstart", made / "configs" / "quickstart.json"):  # by its name a file wins
        file.write_text(json.dumps(config))
    for name in ("photo.jpg", *(f"photos/{number}.jpg" for number in range(1, 5))):
        Image.effect_noise((80, 80), 90).convert("RGB").save(made / name)
    return made


def follow(folder: Path, page: str) -> str:
    """Type in each command, and run what comes of Python since the last one; returns all that was printed."""
    environment = {
        "ACCELERATE_USE_CPU": "true",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "MPLCONFIGDIR": mpl.get_cachedir(),
        "PYTHONPATH": str(runs.ROOT),
    }
    found: list[Block] = [b for b in blocks(runs.ROOT / "docs" / page) if b.kind in ("bash", "python")]
    script = folder / f"{Path(page).stem}.py"
    script.write_text("\n\n".join(block.text for block in found if block.kind == "python"))
    typed = [command for block in found if block.kind == "bash" for command in block.commands()]
    # The one thing that is not as on the page: a smaller quickstart.
    commands = [
        re.sub(r"--config (configs/)?quickstart(\.json)? ", "--config configs/quickstart.json ", c) for c in typed
    ]
    printed = ""
    for command in (*commands, f"python {script.name}"):
        code, output = type_in(folder, command, environment)
        assert code == 0, f"{command}\n{output}"
        printed += output
    return printed


def test_the_page_about_watching_shows_the_losses_of_steps_and_what_tensorboard_gets(folder) -> None:
    printed = follow(folder, "howto/watch.md")
    assert "category/loss  attribute/loss" in printed
    assert list((folder / "runs" / "tracked").glob("tracked/events.*"))


def test_the_page_about_callbacks_says_what_its_callbacks_say(folder) -> None:
    printed = follow(folder, "howto/callbacks.md")
    assert "epoch 2 of 2: accuracy 0." in printed and "class " in printed
    for name in ("called", "looked", "given"):
        assert json.loads((folder / "runs" / name / "status.json").read_text())["status"] == "finished"


def test_data_from_python_train_and_are_predicted(folder) -> None:
    follow(folder, "reference/python.md")
    assert (folder / "predictions" / "predictions.parquet").is_file()
