"""What every other room stands on: errors, keyed random numbers, tasks, whole files. No torch, no config."""
