"""Plugins are found by a path, a module's name or an entry point; what keeps one from being loaded is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mtl_accel.core.errors import UserError
from mtl_accel.core.plugins import identity, loading
from mtl_accel.core.plugins.loading import load_plugin, plugins_of_children, take_plugins
from mtl_accel.core.plugins.registrations import find, registrations

pytestmark = pytest.mark.usefixtures("no_plugins_left")

METRIC = '''"""A plugin of the test."""
import mtl_accel

VALUE = 1


@mtl_accel.register_metric("{name}", kind="regression")
def metric(predictions, target, mask, sample_weight):
    """A metric."""
    return VALUE
'''


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def plugin(folder: Path, stem: str = "own_metric_file", name: str = "own_metric") -> Path:
    return write(folder / f"{stem}.py", METRIC.format(name=name))


def message_of(action: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        action()
    (message,) = caught.value.problems
    return message


def test_a_file_registers_what_it_brings_under_its_own_name(tmp_path: Path) -> None:
    module = load_plugin(plugin(tmp_path))
    (registration,) = registrations(plugin="own_metric_file")
    assert (registration.use, registration.module) == ("regression metric own_metric", module.__name__)
    assert str(tmp_path) == sys.path[-1], "behind all others, so that nothing in it hides a library"


def test_a_package_is_given_by_its_folder_and_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = plugin(tmp_path / "own_package", "parts").parent
    write(package / "__init__.py", "from . import parts\n")
    load_plugin(str(package))
    assert find("regression metric", "own_metric").plugin == "own_package"
    assert load_plugin("own_package") is sys.modules["own_package"]


def test_a_file_that_is_given_again_is_imported_once_until_it_changes(tmp_path: Path) -> None:
    path = plugin(tmp_path)
    module = load_plugin(path)
    assert load_plugin(path) is module
    write(path, METRIC.format(name="own_metric").replace("VALUE = 1", "VALUE = 2"))
    os.utime(path, (1, 1))  # Python takes bytecode for current by time and size
    assert load_plugin(path).VALUE == 2
    assert len(registrations()) == 1


def test_the_switch_takes_both_forms_several_times_and_leaves_the_rest(tmp_path: Path) -> None:
    first, second = plugin(tmp_path, "first_file", "first"), plugin(tmp_path, "second_file", "second")
    words = ["--config", "a.json", "--plugin", str(first), "--epochs", "2", f"--plugin={second}", "--debug"]
    assert take_plugins(words) == ["--config", "a.json", "--epochs", "2", "--debug"]
    assert [registration.name for registration in registrations()] == ["first", "second"]


def test_every_plugin_of_a_command_that_cannot_be_loaded_is_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        take_plugins(["--plugin", "nowhere.py", "--plugin", "no_such_module", "--plugin"])
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "--plugin nowhere.py",
        "--plugin no_such_module",
        "--plugin",
    ]


BROKEN = {
    "no_python.txt": ("", "is no Python file"),
    "my-net.py": ("", "is no name of a Python module"),
    "class.py": ("", "is no name of a Python module"),
    "json.py": ("", "another module is named json"),
    "torch.py": ("", "another module is named torch"),
    "wrong_syntax.py": ("def (:\n", "cannot be imported: SyntaxError"),
    "wrong_value.py": ("\n\nx = 1 / 0\n", "wrong_value.py, line 3)"),
    "wrong_import.py": ("import no_such_library\n", "No module named 'no_such_library'"),
    "registers_nothing.py": ("x = 1\n", "registers nothing"),
    "built_in_name.py": (METRIC.format(name="mae"), "a built-in regression metric has this name"),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_file_that_is_no_plugin_is_told_with_its_path_and_the_reason(tmp_path: Path, name: str) -> None:
    text, reason = BROKEN[name]
    path = write(tmp_path / name, text)
    message = message_of(lambda: load_plugin(path))
    assert message.startswith(f"--plugin {path}: ")
    assert reason in message
    assert registrations() == []


def test_a_folder_that_hides_a_file_and_one_that_is_no_package_are_told(tmp_path: Path) -> None:
    path = plugin(tmp_path, "twice")
    write(tmp_path / "twice" / "__init__.py", "")
    assert "another module is named twice" in message_of(lambda: load_plugin(path))
    (tmp_path / "plain").mkdir()
    assert "without __init__.py" in message_of(lambda: load_plugin(tmp_path / "plain"))


def test_what_a_plugin_registered_before_it_failed_is_taken_out_again(tmp_path: Path) -> None:
    path = write(tmp_path / "half_done.py", METRIC.format(name="half") + "\nraise RuntimeError('no more')\n")
    assert "RuntimeError: no more" in message_of(lambda: load_plugin(path))
    assert registrations() == []


def installed(folder: Path, package: str, text: str) -> None:
    """A distribution with one module and an entry point of it, as pip would leave them."""
    write(folder / f"{package}.py", text)
    about = folder / f"{package}-1.5.dist-info"
    write(about / "METADATA", f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: 1.5\n")
    write(about / "entry_points.txt", f"[mtl_accel.plugins]\n{package}_parts = {package}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    identity.entry_points.cache_clear()
    monkeypatch.setattr(loading, "_tried", set())
    monkeypatch.setattr(loading, "_broken", {})
    return tmp_path


@pytest.fixture(autouse=True)
def entry_points_of_each_test() -> object:
    yield
    identity.entry_points.cache_clear()


def test_an_installed_plugin_is_loaded_once_and_known_by_its_distribution(site: Path) -> None:
    installed(site, "installed_parts", METRIC.format(name="installed"))
    loading.load_installed()
    loading.load_installed()
    (registration,) = registrations()
    found = identity.describe_plugin(registration.plugin, [registration.module], [registration.target])
    assert (found.name, found.distribution, found.version) == ("installed_parts", "installed-parts", "1.5")
    assert plugins_of_children() == [], "another process finds it by itself"


def test_an_installed_plugin_that_fails_is_left_out_with_a_warning(
    site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    installed(site, "broken_parts", METRIC.format(name="broken") + "\nimport no_such_library\n")
    installed(site, "whole_parts", METRIC.format(name="whole"))
    loading.load_installed()
    assert [registration.name for registration in registrations()] == ["whole"]
    (message,) = [record.getMessage() for record in caplog.records]
    assert "broken_parts_parts of broken-parts 1.5" in message
    assert "No module named 'no_such_library'" in message
    assert list(loading.broken_plugins()) == ["broken_parts"]


def test_other_processes_are_given_the_files_and_packages_of_this_one(tmp_path: Path) -> None:
    path = plugin(tmp_path)
    load_plugin(path)
    assert plugins_of_children() == [str(path)]


def test_the_hash_of_a_file_is_its_own_and_that_of_a_package_follows_its_code(tmp_path: Path) -> None:
    path = plugin(tmp_path / "hashed")
    alone = identity.digest(path)
    before = identity.digest(path.parent)
    write(path.parent / "notes.txt", "no code")
    assert identity.digest(path.parent) == before != alone
    write(path.parent / "more.py", "")
    assert identity.digest(path.parent) != before
