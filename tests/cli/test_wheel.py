"""The package as a user gets it: built, installed in an environment of its own, and used without the tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import pytest

import mtl_accel

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "plugin_package"
# Of the tree: what a checkout does not hold, or a build does not read.
KEPT = (".ci", ".github", ".pre-commit-config.yaml")
MADE = ("build", "dist", "predictions", "runs", "site", "mtl_accel.egg-info")
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"
SMALL = ["--epochs", "1", "--batch_size", "16", "--micro_batch_size", "8", "--mixed_precision", "no"]
SMALL += ["--data.wardrobe.num_train", "64", "--data.wardrobe.num_validation", "32", "--data.wardrobe.num_test", "16"]
SMALL += ["--data.wardrobe.image_size", "32", "--data.num_workers", "0"]


def call(command: Sequence[str | Path], folder: Path, environment: dict[str, str] | None = None) -> str:
    """What a command that must end well prints."""
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def build(source: Path, kind: str, output: Path) -> Path:
    """Build a folder as a wheel or an sdist; the sources' folder takes what a build writes beside them."""
    output.mkdir(exist_ok=True)
    return output / call([sys.executable, "-c", BUILD, f"build_{kind}", output], source).splitlines()[-1]


def left_out(folder: str, names: list[str]) -> set[str]:
    at_the_top = Path(folder) == ROOT
    made = {name for name in names if at_the_top and (name in MADE or (name[0] == "." and name not in KEPT))}
    return made | ({"__pycache__"} & set(names))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob("**/*.json")}


class User:
    """An environment with the wheel and what it depends on, and an empty folder."""

    def __init__(self, base: Path) -> None:
        self.folder, self.base = base / "empty", base
        self.folder.mkdir()
        venv.create(base / "venv", symlinks=True)
        self.scripts = base / "venv" / "bin"
        library = next((base / "venv" / "lib").glob("python*/site-packages"))
        # The dependencies, without what an editable install has put there: only a path of Python's own reads that.
        (library / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        self.environment = kept | {
            "ACCELERATE_USE_CPU": "true",
            "OMP_NUM_THREADS": "1",
            "XDG_CACHE_HOME": str(base / "cache"),
            "MPLCONFIGDIR": mpl.get_cachedir(),  # else fonts are searched for seconds
        }

    def install(self, wheel: Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", self.scripts / "python", "install", "-q", "--no-index"]
        call([*pip, "--no-deps", wheel], self.base)

    def __call__(self, *arguments: str) -> str:
        return call([self.scripts / "mtl-accel", *arguments], self.folder, self.environment)

    def together(self, *commands: Sequence[str]) -> list[str]:
        """What commands print that do not wait for each other."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda command: self(*command), commands))

    def weights(self, run: str) -> bytes:
        return (self.folder / run / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    base = tmp_path_factory.mktemp("user")
    shutil.copytree(ROOT, base / "tree", ignore=left_out)
    sdist = build(base / "tree", "sdist", base / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(base / "sdist", filter="data")
    (source,) = (base / "sdist").iterdir()
    user = User(base)
    user.install(build(source, "wheel", base / "dist"))
    return user


@pytest.fixture(scope="module")
def trained(user: User) -> list[str]:
    """What two runs of one shipped config print, on one process and on two."""
    train = ["train", "--config", "quickstart", *SMALL, "--run_dir"]
    return [user(*train, "runs/one"), user(*train, "runs/two", "--processes", "2")]


def test_the_package_is_that_of_the_wheel_with_its_configs_and_without_the_tree(user: User) -> None:
    script = "import mtl_accel.config.files.shipped as s; print(s.__file__); print(s.shipped_folder())"
    module, configs = call([user.scripts / "python", "-c", script], user.folder, user.environment).splitlines()
    assert Path(module).is_relative_to(user.base / "venv") and Path(configs).parent == Path(module).parents[2]
    assert contents(Path(configs)) == contents(ROOT / "configs") != {}
    assert user("--version").startswith(f"mtl_accel {mtl_accel.__version__} (torch ")


def test_it_trains_on_one_process_and_on_two_to_the_same_weights(user: User, trained: list[str]) -> None:
    assert "1 process on cpu" in trained[0] and "2 processes on cpu" in trained[1]
    assert user.weights("runs/one") == user.weights("runs/two")


def test_it_evaluates_predicts_compares_reports_and_exports(user: User, trained: list[str]) -> None:
    for command in (["evaluate"], ["predict", "--split", "test", "--output"]):
        name = command[0]
        alone, both = user.together(
            [*command, *([f"{name}/one"] if command[1:] else []), "--run", "runs/one"],
            [*command, *([f"{name}/two"] if command[1:] else []), "--run", "runs/one", "--processes", "2"],
        )
        assert alone.replace("one", "two") == both.replace("one", "two") != ""
    files = [sorted((user.folder / "predict" / name).iterdir()) for name in ("one", "two")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]] != []
    compared, report, exported, config = user.together(
        ["compare", "runs/one", "runs/two"],
        ["report", "runs/one", "runs/two", "--output", "report.html"],
        ["export", "--run", "runs/one", "--format", "safetensors"],
        ["config", "diff", "runs/one/config.json", "quickstart"],
    )
    assert "one (finished)" in compared and "two (finished)" in compared
    assert report == "report: report.html\n" and (user.folder / "report.html").is_file()
    assert "differs by at most" in exported and "epochs: 1 → 5" in config


def test_it_sweeps_on_one_process_and_on_two(user: User, trained: list[str]) -> None:
    assert user("init", "quickstart", *SMALL) == (
        "config: config.json\nlook the data over: mtl-accel doctor --config config.json\n"
        "train: mtl-accel train --config config.json\n"
    )
    user.together(
        ["sweep", "--config", "config.json", "--output", "sweeps/one"],
        ["sweep", "--config", "config.json", "--output", "sweeps/two", "--processes", "2"],
    )
    (one,), (two,) = ((user.folder / "sweeps").glob(f"{name}/*/model") for name in ("one", "two"))
    assert user.weights("runs/one") == user.weights(str(one.parent)) == user.weights(str(two.parent))
    environment = json.loads((two.parent / "environment.json").read_text())
    assert environment["processes"] == 2


def test_the_doctor_looks_data_over_and_init_writes_its_guess(user: User, trained: list[str]) -> None:
    photos = next((user.base / "cache").glob("**/train.csv")).parent
    user("init", "--data.source", str(photos), "--output", "photos.json")
    done = subprocess.run(
        [user.scripts / "mtl-accel", "doctor", "--config", "photos.json"],
        cwd=user.folder,
        env=user.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1) and "diagnosis: doctor.html" in done.stdout, done.stderr
    assert (user.folder / "doctor.html").is_file()


@pytest.mark.skipif(not PLUGIN.is_dir(), reason="no package of plugins in the tree")
def test_a_package_of_plugins_is_found_once_it_is_installed(user: User) -> None:
    shutil.copytree(PLUGIN, user.base / "plugin")
    user.install(build(user.base / "plugin", "wheel", user.base / "dist"))
    shutil.copy(PLUGIN / "shapes.json", user.folder)
    train = ["train", "--config", "shapes.json", "--epochs", "1", "--mixed_precision", "no", "--run_dir"]
    user.together([*train, "runs/shapes"], [*train, "runs/shapes_two", "--processes", "2"])
    assert user.weights("runs/shapes") == user.weights("runs/shapes_two")
    _, both = user.together(
        ["evaluate", "--run", "runs/shapes"],
        ["predict", "--run", "runs/shapes", "--output", "shapes", "--processes", "2"],
    )
    measured = json.loads((user.folder / "runs" / "shapes" / "evaluation-validation.json").read_text())
    assert 0 <= measured["metrics"]["shape/top_2"]["value"] <= 1
    assert "shapes/predictions.parquet" in both
