"""The memory that a run needs: what a lack of it is told as, and the largest batch that fits."""
