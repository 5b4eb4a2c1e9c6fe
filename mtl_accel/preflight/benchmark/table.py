"""The row of results as a table to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_OURS = {
    "limit": "the model alone, on tensors in memory",
    "loop": "our loop",
    "data_disk": 'the data alone, data.cache "disk"',
    "data_device": 'the data alone, data.cache "device"',
    "data_none": 'the data alone, data.cache "none"',
    "validation": "our validation, metrics included",
}
_CONTESTANTS = {
    "ours": "ours",
    "huggingface": "Hugging Face's loop",
    "huggingface_plain": "Hugging Face's loop, in float32",
    "notebook": "the notebook's loop, in float32",
}


def format_table(row: Mapping[str, Any]) -> str:
    """The printed table: rates, epochs, start, memory, and where asked for, scale and accuracy."""
    parts = [_head(row), _rates(row), _epochs(row), _start(row), _scale(row), _accuracy(row)]
    return "\n".join(line for part in parts for line in part)


def _head(row: Mapping[str, Any]) -> Iterator[str]:
    height, width = row["image_size"]
    threads = f" with {row['cpu_threads']} threads" if row["device"] == "cpu" else ""
    yield (
        f"{row['model']} at {height} x {width} pixels, batch {row['batch_size']} in micro-batches of "
        f"{row['micro_batch_size']}, on {row['device']}{threads}, precision {row['precision']}; "
        f"{row['train_images']} training and {row['validation_images']} validation images, "
        f"{row['rounds']} rounds, of which the medians are shown"
    )


def _rates(row: Mapping[str, Any]) -> Iterator[str]:
    rates = row["images_per_second"]
    yield ""
    yield f"{'':<40}{'images/s':>12}{'of the limit':>15}"
    for name, title in _OURS.items():
        share = f"{row['share_of_limit']:>15.1%}" if name == "loop" else ""
        yield f"{title:<40}{rates[name]:>12.1f}{share}"
    yield f"{'share of validation spent in metrics':<40}{row['metrics_share']:>12.1%}"


def _epochs(row: Mapping[str, Any]) -> Iterator[str]:
    if "fp32" not in row:
        return
    if row["precision"] != "no":
        yield from _contestants(row, f"epochs, as configured ({row['precision']})", row, "")
    yield from _contestants(row, "epochs, all in float32", row["fp32"], "_fp32")
    yield from (f"note: {note}" for note in row["notes"])


def _contestants(row: Mapping[str, Any], title: str, result: Mapping[str, Any], suffix: str) -> Iterator[str]:
    yield ""
    yield f"{title:<40}{'training/s':>12}{'validation/s':>15}{'epoch in s':>12}{'ours is faster':>17}"
    for name, contestant in _CONTESTANTS.items():
        if name not in result["epoch_seconds"]:
            continue
        rates, seconds = result["images_per_second"], result["epoch_seconds"][name]
        training, validation = ("loop", "validation") if name == "ours" else (name, f"{name}_validation")
        ratio = "" if name == "ours" else f"{row[f'vs_{name}{suffix}']:>16.2f}x"
        yield f"{contestant:<40}{rates[training]:>12.1f}{rates[validation]:>15.1f}{seconds:>12.2f}{ratio}"


def _start(row: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield (
        f"start: {row['import_seconds']:.1f} s of imports, then {row['start_seconds']:.1f} s to the end of the first "
        "step, with the cache there"
    )
    yield f"memory: {_memory(row)}"


def _memory(row: Mapping[str, Any]) -> str:
    text = f"{row['peak_host_memory_mb']:,.0f} MB at most on the host"
    if row["own_host_memory_mb"] is not None:
        text += f" (its own: {row['own_host_memory_mb']:,.0f} MB; the rest are pages of files)"
    if row["peak_device_memory_mb"] is not None:
        text += f", {row['peak_device_memory_mb']:,.0f} MB at most on the device"
    return text


def _scale(row: Mapping[str, Any]) -> Iterator[str]:
    if not row["scale"]:
        return
    yield ""
    yield f"{'training images':<18}{'start in s':>12}{'ms an image':>14}{'peak MB':>12}{'own MB':>12}"
    for each in row["scale"]:
        own = each["own_host_memory_mb"]
        yield (
            f"{each['images']:<18,}{each['start_seconds']:>12.2f}{1000 * each['seconds_per_image']:>14.2f}"
            f"{each['peak_host_memory_mb']:>12,.0f}{'' if own is None else f'{own:>12,.0f}'}"
        )
    first, last = row["scale"][0], row["scale"][-1]
    grown = {
        "images": "images",
        "start": "start_seconds",
        "time an image": "seconds_per_image",
        "peak": "peak_host_memory_mb",
    }
    yield "from first to last: " + ", ".join(f"{title} x{last[key] / first[key]:.2f}" for title, key in grown.items())


def _accuracy(row: Mapping[str, Any]) -> Iterator[str]:
    if not row["accuracy"]:
        return
    yield ""
    yield f"{'validation after the last epoch':<32}{'ours':>20}{'Hugging Face':>20}"
    for metric, spreads in row["accuracy"].items():
        cells = [f"{spreads[name]['mean']:.4f} +- {spreads[name]['deviation']:.4f}" for name in ("ours", "huggingface")]
        yield f"{metric:<32}{cells[0]:>20}{cells[1]:>20}"
