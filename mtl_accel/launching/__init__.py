"""How the commands and their processes start: errors and exit codes, precision, what all agree on, and signals."""
