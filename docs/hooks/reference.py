"""MkDocs hook: the reference of knobs, commands, metrics and networks, written from the code that reads them."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the tree of these pages, and not another one that happens to be installed

from mtl_accel.cli.main import COMMANDS, main  # noqa: E402
from mtl_accel.config import Config  # noqa: E402
from mtl_accel.config.knobs import Knob, all_knobs, sections_of  # noqa: E402
from mtl_accel.config.sections.heads import Head  # noqa: E402
from mtl_accel.metrics.registry import REGISTRY, primary_metric  # noqa: E402
from mtl_accel.models import BACKBONES, HEADS  # noqa: E402

EVERY_KNOB = "every key of the config, by its dotted path:"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, page in (
        ("knobs", knobs_page),
        ("commands", commands_page),
        ("metrics", metrics_page),
        ("networks", networks_page),
    ):
        files.append(File.generated(config, f"reference/{name}.md", content=page()))
    # README shows the same picture, from where GitHub looks for it.
    files.append(File.generated(config, "assets/curves.png", abs_src_path=str(ROOT / ".github" / "curves.png")))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """A mean and its deviation stay on one line."""
    return markdown.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")


def knobs_page() -> str:
    """Every knob of a config in the order of the file: those of the run itself, then a part for each section."""
    lines = [
        "# Every knob",
        "",
        "A config is a JSON file. This page lists every key that it may have, with its type, its default and its",
        "meaning, generated from the code that reads them; `mtl-accel train --help` prints the same list.",
        "Each key can be set on the command line by its dotted path: `--epochs 2`, `--optimizer.lr 3e-4`,",
        '`--tasks.category.weight 2`. A whole branch is given as JSON: `--optimizer \'{"name": "SGD", "lr": 0.01}\'`.',
        "",
        "What the file leaves out has its default, so `--tasks.attribute.loss.pos_weight balanced` sets an option of",
        "the default loss, `bce`. Where the default is `null`, give the name too:",
        "`--data.sampler.name rare_labels --data.sampler.power 1`.",
        "",
        'Unknown keys and wrong values are errors, and you see all of them at once. With `"$schema": "schema.json"`',
        "in the file an editor completes the keys. In the list, `NAME` stands for a name that you choose, and `N` for",
        "a place in a list.",
        "",
    ]
    knobs = list(all_knobs(Config))
    tops = [knob.path.split(".")[0] for knob in knobs]
    sections = list(dict.fromkeys(top for top in tops if tops.count(top) > 1))
    lines += ["## The run { #run }", ""]
    lines += [line for knob, top in zip(knobs, tops, strict=True) if top not in sections for line in _knob(knob)]
    for section in sections:
        lines += ["", f"## {section} {{ #{section} }}", ""]
        lines += [line for knob, top in zip(knobs, tops, strict=True) if top == section for line in _knob(knob)]
    return "\n".join(lines) + "\n"


def _knob(knob: Knob) -> Iterator[str]:
    if knob.default == "" and knob.type.startswith("{"):  # the choice of a branch
        yield f"\n**`{knob.path}`** with `{knob.type}`: {_text(knob.meaning)}\n"
        return
    default = "" if knob.default in ("", "required") else f", default `{knob.default}`"
    required = ", required" if knob.default == "required" else ""
    yield f"- `{knob.path}` (`{knob.type}`{default}{required})<br>{_text(knob.meaning)}"


def _text(words: str) -> str:
    return " ".join(words.split()).replace("*", r"\*").replace("<", "&lt;").replace("_", r"\_")


def commands_page() -> str:
    lines = [
        "# Every command",
        "",
        "Each prints this text with `--help`. `train` and `bench` also take [every knob](knobs.md) of the config;",
        "`evaluate`, `predict` and `export` take those of `data`, such as `--data.source my_photos`; `sweep` hands",
        "every other option to its runs. How a command ends is under [exit codes](run-folder.md#exit-codes), and what",
        "they share on [The command](../howto/command.md). The scripts in `launch/` of a clone are the same commands.",
        "",
    ]
    for name in COMMANDS:
        text = help_of(name).split(EVERY_KNOB)[0].rstrip()
        lines += [f"## {name} {{ #{name} }}", "", "```text", text, "```", ""]
    return "\n".join(lines)


def metrics_page() -> str:
    """Every metric of each kind of task."""
    lines = [
        "# Every metric",
        "",
        "A metric is named `task/metric`, such as `category/accuracy`, in `log.jsonl`, in evaluations and by",
        "`select_by`. Each task also has a `loss`, and `loss` without a task is the weighted sum. Missing labels count",
        "for nothing; a metric is NaN, or null in a file, where nothing is labelled.",
        "",
        "Labels and classes that a split lacks: `f1_macro` is the mean over all labels that are labelled in some row,",
        "and one without a positive has F1 0 there, as with scikit-learn's `zero_division=0`. `map` leaves labels",
        "without a positive out, and `balanced_accuracy` classes without an image. Where validation lacks some, the",
        "start of the log counts and names them; so do `launch/evaluate.py`, for its split, and the report.",
        "",
    ]
    for kind, metrics in REGISTRY.items():
        lines += [f"## {kind.capitalize()} {{ #{kind} }}", "", "| metric | better | meaning |", "|---|---|---|"]
        for metric in metrics:
            name = f"`{metric.name}`" + (" (primary)" if metric.name == primary_metric(kind) else "")
            thresholds = " It depends on the thresholds." if metric.uses_decisions else ""
            better = "lower" if metric.lower_is_better else "higher"
            lines.append(f"| {name} | {better} | {metric.meaning}{thresholds} |")
        lines.append("")
    return "\n".join(lines)


def networks_page() -> str:
    """Every backbone and every head that may be paired by a config."""
    lines = [
        "# Every backbone and head",
        "",
        'A config pairs one of each: `"model": {"backbone": "resnet18", "head": "mlp"}`, see',
        "[Choose or write a network](../howto/own-network.md#compose).",
        "",
        "## Heads { #heads }",
        "",
        "| `head` | reads | what it is | options |",
        "|---|---|---|---|",
    ]
    for name, head in HEADS.items():
        options = [f"`{knob.path.rpartition('.')[2]}` ({knob.default})" for knob in head_knobs(name)]
        reads = "the feature map" if head.reads_map else "pooled features"
        lines.append(f"| `{name}` | {reads} | {head.meaning} | {', '.join(options)} |")
    lines += [
        "",
        "## Backbones { #backbones }",
        "",
        "Beside these, every network of timm: `timm/` and its name, such as `timm/resnet18.a1_in1k`. Parameters are",
        "those of the whole network, with its ImageNet layer.",
        "",
        "| `backbone` | what it is | parameters | pictures | for `query` | `weights` |",
        "|---|---|---|---|---|---|",
    ]
    for name, backbone in BACKBONES.items():
        only = backbone.only_size
        pictures = f"{only[0]} x {only[1]} only" if only else f"from {backbone.min_size} x {backbone.min_size}"
        weights, parameters, fits = "", "", "yes" if backbone.gives_map else "no"
        if backbone.published is not None:
            published = backbone.published()
            weights = ", ".join(f"`{member}`" for member in published.__members__)
            parameters = f"{published.DEFAULT.meta['num_params'] / 1e6:.1f} million"
        lines.append(f"| `{name}` | {backbone.meaning} | {parameters} | {pictures} | {fits} | {weights} |")
    return "\n".join(lines) + "\n"


def head_knobs(name: str) -> list[Knob]:
    """The options of a head."""
    (section,) = sections_of(Head, {"name": name})
    return list(all_knobs(section))


def help_of(name: str) -> str:
    """What `mtl-accel NAME --help` prints."""
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "80"}),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        main([name, "--help"])
    return printed.getvalue()
