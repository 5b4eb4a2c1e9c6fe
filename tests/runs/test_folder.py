"""A run folder to resume, with files that no run wrote in it: refused by name before anything is read or copied."""

import os
from pathlib import Path

import pytest
from checkpoint_faults import holds, save_step

from mtl_accel.core.errors import UserError
from mtl_accel.runs import checkpoint, folder, manifest

EPOCH = '{"event": "epoch", "epoch": 1}\n'


def refused(run: Path, resume: str = "auto") -> str:
    with pytest.raises(UserError) as caught:
        folder.prepare_run_folder(run, resume, overwrite=False)
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (EPOCH + "garbage\n", "log.jsonl, line 2: not JSON"),
        (EPOCH + '{"event": "epoch"}\n', "log.jsonl, line 2: epoch: Field required; a run did not write this"),
        (EPOCH + '{"event": "epoch", "epoch": 1e99}\n', "log.jsonl, line 2: epoch: "),
        (EPOCH + "[" * 100_000 + "\n", "log.jsonl, line 2: not JSON"),
        (b"\xff\xfe\n", "log.jsonl, line 1: not JSON"),
    ],
)
def test_a_log_that_no_run_wrote_is_refused_by_its_line(tmp_path, content, message):
    (tmp_path / "log.jsonl").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message in refused(tmp_path)


@pytest.mark.parametrize("content", [EPOCH, EPOCH + '{"event": "epo', EPOCH + '[]\n"text"\n', ""])
def test_a_log_that_a_kill_cut_short_can_be_continued(tmp_path, content):
    (tmp_path / "log.jsonl").write_text(content)
    folder.prepare_run_folder(tmp_path, "auto", overwrite=False)


@pytest.mark.parametrize("content", ["[]", "null", '{"status": 1}', "{", ""])
def test_a_status_that_no_run_wrote_is_refused(tmp_path, content):
    (tmp_path / "status.json").write_text(content)
    assert "status.json" in refused(tmp_path)


def test_a_link_to_itself_falls_back_to_the_newest_whole_checkpoint(tmp_path, caplog):
    save_step(tmp_path, 1)
    (tmp_path / "last").unlink()
    (tmp_path / "last").symlink_to("last")
    assert holds(checkpoint.load(tmp_path), 1) and "damaged checkpoint" in caplog.text
    (tmp_path / "best").unlink(missing_ok=True)
    (tmp_path / "best").symlink_to("best")
    save_step(tmp_path, 2)  # which replaces both links
    assert holds(checkpoint.load(tmp_path), 2)


@pytest.fixture
def foreign(tmp_path) -> Path:
    """A run from elsewhere whose `best` is not its `last`."""
    save_step(tmp_path / "foreign" / "checkpoints", 1, best=True)
    save_step(tmp_path / "foreign" / "checkpoints", 2)
    return tmp_path / "foreign"


def copy_best(foreign: Path, run: Path) -> None:
    found = folder.find_checkpoint(run, str(foreign))
    assert found is not None
    folder.copy_best(found, run)


def test_the_best_checkpoint_is_copied_with_the_files_of_its_manifest_alone(tmp_path, foreign):
    (foreign / "checkpoints" / "best" / "secret").write_text("more")
    copy_best(foreign, tmp_path / "run")
    copied = tmp_path / "run" / "checkpoints" / "best"
    assert holds(checkpoint.load(copied), 1)
    assert {path.name for path in copied.iterdir()} == {manifest.NAME, *manifest.file_names(copied)}


@pytest.mark.parametrize("target", ["secrets", "step-00000009"])
def test_a_best_that_leads_out_of_its_checkpoints_is_not_copied(tmp_path, foreign, target):
    (tmp_path / target).mkdir()
    (tmp_path / target / "key").write_text("secret")
    link = foreign / "checkpoints" / "best"
    link.unlink()
    link.symlink_to(tmp_path / target)
    with pytest.raises(UserError, match="which is no checkpoint beside it"):
        copy_best(foreign, tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*key*"))


def test_a_best_with_a_link_for_a_file_is_not_copied(tmp_path, foreign):
    file = foreign / "checkpoints" / "best" / "state.json"
    (tmp_path / "secret").write_bytes(file.read_bytes())
    real = Path(os.path.realpath(file))
    real.unlink()
    real.symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=r"state.json is no plain file"):
        copy_best(foreign, tmp_path / "run")
    assert not list((tmp_path / "run").rglob("state.json"))
