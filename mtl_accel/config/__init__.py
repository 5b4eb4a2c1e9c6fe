"""Typed, strict configs: JSON in, JSON out, every knob with its meaning."""

from .command_line import help_text, overrides, parse, read_config, run_config
from .reading import json_schema, read_json, validate
from .root import Config

__all__ = [
    "Config",
    "help_text",
    "json_schema",
    "overrides",
    "parse",
    "read_config",
    "read_json",
    "run_config",
    "validate",
]
