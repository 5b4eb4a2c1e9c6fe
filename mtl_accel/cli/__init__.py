"""The commands, as launch/*.py call them."""
