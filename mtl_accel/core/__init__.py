"""The ground of every other room: errors, keyed random numbers, tasks, whole files. No torch, no config."""
