"""What one asks before a run: whether the data are right, and how fast this machine trains."""
