"""The command `mtl-accel`, which the scripts of launch/ call as well: arguments, help, errors and exit codes."""
