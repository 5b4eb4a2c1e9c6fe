"""How the weights move: optimizers, schedules, groups of parameters and the average of the weights."""
