"""Pixels that are decoded when they are read."""

from __future__ import annotations

import numpy as np
import pytest
from loading_cases import pixels_of, split_of

from mtl_accel.core.errors import UserError


def test_without_a_cache_too_all_pictures_of_a_batch_that_cannot_be_decoded_are_named(tmp_path):
    anew = pixels_of(split_of(5, broken=frozenset({0, 3, 4})), tmp_path, cache="none", name="validation")
    with pytest.raises(UserError) as caught:
        anew.read(np.array([1, 3, 0]))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["validation, id 3", "validation, id 0"]
