"""A config for a data set that nobody has described: a guess at every task, with its reason."""
