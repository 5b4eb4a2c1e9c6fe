"""From tables and targets to batches on the device."""
