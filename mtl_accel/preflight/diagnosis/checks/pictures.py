"""Sizes, modes and formats of the pictures, and those that cannot be decoded or show nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ..findings import Finding, Severity, note, table, warning
from ..scan import Scan
from ..survey import Survey
from ..thumbnails import pictures_of

MIN_DEVIATION = 2.0  # grey values of 255; a picture with less is nearly uniform
_MAX_SIZES, _MAX_PICTURES = 12, 12
_MAX_SQUEEZE = 1.2  # of the aspect ratio, which a network hardly minds


def check_broken(survey: Survey) -> Iterator[Finding]:
    """Pictures that cannot be decoded: errors, unless the config says that they are skipped."""
    if survey.scan is None:
        return
    # A row without a file is a problem of its table already.
    broken = {row: text for row, text in survey.scan.problems.items() if row not in survey.scan.missing}
    broken = broken or ({} if survey.problems else dict(survey.scan.problems))
    if broken:
        skips = survey.config.data.on_bad_image == "skip"
        rows = [(problem,) for problem in broken.values()]
        yield Finding(
            Severity.WARNING if skips else Severity.ERROR,
            "broken",
            f"{len(broken):,} picture{'s' * (len(broken) > 1)} cannot be decoded",
            "Their rows are left out (data.on_bad_image)."
            if skips
            else 'Replace the files, remove their rows, or set data.on_bad_image to "skip".',
            tables=(table("Broken pictures", ("problem",), rows),),
        )


def check_uniform(survey: Survey) -> Iterator[Finding]:
    """Pictures of nearly one colour."""
    if survey.scan is None:
        return
    decoded = survey.scan.decoded
    uniform = decoded[survey.scan.deviations[decoded] < MIN_DEVIATION]
    if len(uniform):
        rows = [(survey.describe(row), f"{survey.scan.deviations[row]:.2f}") for row in uniform.tolist()]
        yield warning(
            "uniform",
            f"{len(uniform):,} picture{'s' * (len(uniform) > 1)} of nearly one colour",
            f"The standard deviation of their grey values is below {MIN_DEVIATION:g} of 255: they show nothing.",
            tables=(table("Nearly uniform pictures", ("picture", "deviation"), rows),),
            pictures=pictures_of(survey, [((row,), survey.describe(row), "") for row in uniform[:_MAX_PICTURES]]),
        )


def check_shapes(survey: Survey) -> Iterator[Finding]:
    """Sizes, aspect ratios, modes and formats."""
    if survey.scan is None or not len(rows := survey.scan.decoded):
        return
    sizes = survey.scan.sizes[rows]
    aspects = sizes[:, 0] / sizes[:, 1]
    distinct = Counter(map(tuple, sizes.tolist()))
    if len(distinct) == 1:
        title = "All pictures have {} x {} pixels".format(*next(iter(distinct)))
    else:
        title = f"Pictures have {len(distinct):,} sizes, from {_smallest(sizes)} to {_largest(sizes)} pixels"
    quantiles = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0]
    shorter, longer = sizes.min(axis=1), sizes.max(axis=1)
    lines = [
        (name, *(f"{value:.{digits}f}" for value in np.quantile(values, quantiles)))
        for name, values, digits in (
            ("shorter side, pixels", shorter, 0),
            ("longer side, pixels", longer, 0),
            ("width / height", aspects, 2),
        )
    ]
    head = ("", "lowest", "5%", "25%", "median", "75%", "95%", "highest")
    common = [(f"{w} x {h}", f"{n:,}", f"{n / len(rows):.1%}") for (w, h), n in distinct.most_common(_MAX_SIZES)]
    tables = [table("Files", ("format and mode", "pictures"), _kinds(survey.scan, rows))]
    if len(distinct) > 1:
        tables.insert(0, table("Most frequent sizes", ("width x height", "pictures", "share"), common))
        tables.insert(0, table("Sizes and aspect ratios", head, lines))
    yield note("shapes", title, _resize_text(survey, shorter, aspects), tables=tuple(tables))


def _kinds(scan: Scan, rows: np.ndarray) -> list[tuple[str, str]]:
    kinds = Counter(f"{scan.formats[row]}, {scan.modes[row]}" for row in rows.tolist())
    return [(kind, f"{count:,}") for kind, count in kinds.most_common()]


def _smallest(sizes: np.ndarray) -> str:
    return "{} x {}".format(*sizes[sizes.prod(axis=1, dtype=np.int64).argmin()])


def _largest(sizes: np.ndarray) -> str:
    return "{} x {}".format(*sizes[sizes.prod(axis=1, dtype=np.int64).argmax()])


def _resize_text(survey: Survey, shorter: np.ndarray, aspects: np.ndarray) -> str:
    """What the config's resizing does to these pictures, and what may be better.

    shorter, aspects: [N], the shorter side in pixels, and width / height.
    """
    size = getattr(survey.config.transforms.train[0], "size", None)
    if not isinstance(size, (tuple, list)) or len(size) != 2:  # the aspect ratio is kept
        return ""
    height, width = size
    texts = []
    squeezed = np.maximum(aspects / (width / height), (width / height) / aspects)
    if np.median(squeezed) > _MAX_SQUEEZE:
        texts.append(
            f"Resize to {height} x {width} squeezes half of them by {np.median(squeezed):.2f} or more. A size of the "
            "same aspect ratio, or a resized shorter side and a crop, keeps their proportions."
        )
    enlarged = (shorter < min(height, width)).mean()
    if enlarged > 0.5:
        texts.append(
            f"{enlarged:.0%} of them are smaller than {height} x {width}, to which they are enlarged: a size near "
            f"{np.median(shorter):.0f} shows the same at less cost, unless pretrained weights expect more."
        )
    return " ".join(texts)
