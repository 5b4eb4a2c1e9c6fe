"""From any source to batches on the device."""
