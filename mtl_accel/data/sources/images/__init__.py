"""The image files of a source: where they lie, and under which spelling of their names."""
