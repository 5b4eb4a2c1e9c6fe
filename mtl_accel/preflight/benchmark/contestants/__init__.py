"""Contestants of the benchmark: the model alone, the data alone, our loop, and the loops that it replaces."""
