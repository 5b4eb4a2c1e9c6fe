"""Files and folders are the old ones or the new ones, never a part."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path

import pytest
from checkpoint_faults import KILLED, before_each_operation, in_child

from mtl_accel.core import atomic_io
from mtl_accel.core.errors import UserError

# Newer Pythons warn when a process with threads forks; these children only write files.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def test_json_files_are_replaced_whole_and_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "status.json"
    atomic_io.write_json(path, {"step": 1})

    def disturbed() -> None:
        with before_each_operation(lambda now: os._exit(KILLED) if now == 2 else None):
            atomic_io.write_json(path, {"step": 2})

    assert in_child(disturbed) == KILLED
    assert atomic_io.read_json(path) == {"step": 1}
    atomic_io.remove_temporaries(path.parent)
    assert [inner.name for inner in path.parent.iterdir()] == ["status.json"]
    with pytest.raises(ValueError, match="JSON compliant"):
        atomic_io.write_json(path, {"loss": math.nan})
    assert atomic_io.read_json(path) == {"step": 1}
    for content in (b"{", b"\xff", b"", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"status\.json"):
            atomic_io.read_json(path)
    with pytest.raises(UserError, match=r"missing\.json"):
        atomic_io.read_json(tmp_path / "missing.json")


def test_replaced_folder_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    final = tmp_path / "model"
    for text in ("old", "new"):
        with atomic_io.replace_folder(final) as folder:
            (folder / "config.json").write_text(text)
    with pytest.raises(RuntimeError), atomic_io.replace_folder(final) as folder:
        (folder / "config.json").write_text("half")
        raise RuntimeError
    assert (final / "config.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_cache_is_the_configured_folder_else_that_of_xdg_cache_home_else_that_of_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert atomic_io.cache_dir(str(tmp_path / "mine")) == tmp_path / "mine"
    assert atomic_io.cache_dir(None) == tmp_path / "mtl_accel"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert atomic_io.cache_dir(None) == tmp_path / ".cache" / "mtl_accel"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_link_leads_to_the_folder_that_it_was_switched_to_last_also_on_a_disk_without_links(
    has_links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: str, target_is_directory: bool = False) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    atomic_io.switch_link(tmp_path / "last", "a")  # by a link: the run began on another disk
    if not has_links:
        monkeypatch.setattr(Path, "symlink_to", refuse)
    for name in ("b", "a"):
        atomic_io.switch_link(tmp_path / "last", name)
        assert atomic_io.follow_link(tmp_path / "last") == tmp_path / name
        assert (tmp_path / "last").is_symlink() == has_links
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "last"]


def test_a_file_leads_to_no_folder_but_a_sibling(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for text in ("..", "../x", str(tmp_path), "gone", "", "x" * 1000):
        (tmp_path / "inner" / "last").write_text(text)
        assert atomic_io.follow_link(tmp_path / "inner" / "last") == tmp_path / "inner" / "last"
