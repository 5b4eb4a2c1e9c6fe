"""How the processes of a command start: the Accelerator and its precision, what they agree on, and signals."""
