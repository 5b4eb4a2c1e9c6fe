"""The sections of a config, each with the meaning of its keys."""
