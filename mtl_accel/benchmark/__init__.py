"""How fast training is: against the model alone, against the loops that it replaces, and as the data grow."""
