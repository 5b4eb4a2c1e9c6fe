"""The embedded data set, drawn on first use."""
