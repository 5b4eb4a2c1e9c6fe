"""The speed of training: against the model alone, against the loops that it replaces, and as the data grow."""
