"""Files that a config is, or names: the shipped configs by name, and lists of classes."""
