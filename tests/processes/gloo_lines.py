"""What gloo of torch 2.10 prints on stdout when processes on CPUs meet; later releases print nothing."""

import re

# In pieces, those of several processes mixed.
_LINES = re.compile(
    r"\A\[Gloo\](?:\[Gloo\]| Rank |is connected to|peer ranks\.|Expected number of connected peer ranks is :|[\d\s])*"
)


def without_gloo(printed: str) -> str:
    """What was printed, without gloo's lines at its start."""
    return _LINES.sub("", printed)
