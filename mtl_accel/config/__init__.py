"""Typed, strict configs: JSON in, JSON out, every knob with its meaning."""

from .command_line import help_text, parse_command_line, parse_overrides, read_data_config, read_run_config
from .reading import read_json
from .whole import Config, json_schema, read_config, validate

__all__ = [
    "Config",
    "help_text",
    "json_schema",
    "parse_command_line",
    "parse_overrides",
    "read_config",
    "read_data_config",
    "read_json",
    "read_run_config",
    "validate",
]
