"""Tables in the cache that are damaged are made anew, and what is wrong with a source is not blamed on the folder."""

from __future__ import annotations

import pyarrow as pa
import pytest
from sources_drawn import draw, load_source, quiet_caches, write  # noqa: F401

from mtl_accel.core.errors import UserError
from mtl_accel.data.sources.table_cache import TableCache

BATCHES = [pa.table({"a": [1, 2]}), pa.table({"a": [3]})]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_a_table_that_was_cut_off_is_made_anew_with_a_line_in_the_log(share, tmp_path, caplog):
    write(tmp_path / "train.csv", "filename,label\n" + "".join(f"0.png,{row}\n" for row in range(3000)))
    draw(tmp_path / "0.png")
    options = {"cache_dir": str(tmp_path / "cache"), "id_column": "label"}
    whole = load_source(tmp_path, **options)
    assert not caplog.records
    files = list((tmp_path / "cache" / "tables").glob("*.arrow"))
    for file in files:
        content = file.read_bytes()
        file.unlink()  # else it would shrink under the table that is open
        file.write_bytes(content[: int(share * len(content))])
    again = load_source(tmp_path, **options)
    assert again.splits["train"].to_dict() == whole.splits["train"].to_dict()
    assert again.fingerprint == whole.fingerprint and "a damaged table in the cache (it is cut off)" in caplog.text
    caplog.clear()
    load_source(tmp_path, **options)
    assert not caplog.records


def test_a_table_that_is_cut_between_two_batches_is_noticed(tmp_path):
    cache = TableCache(tmp_path)
    cache.get("key", lambda: BATCHES)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-8])  # Arrow reads this without an error
    assert cache.get("key", lambda: BATCHES)["a"][:] == [1, 2, 3]


def test_errors_of_the_source_pass_and_those_of_the_folder_name_it(tmp_path):
    def batches():
        yield BATCHES[0]
        raise OSError("the source")

    with pytest.raises(OSError, match="the source"):
        TableCache(tmp_path).put(batches())
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cache folder .*file of the tables"):
        TableCache(tmp_path / "file").put(BATCHES)
