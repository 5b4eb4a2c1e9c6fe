"""Typed, strict configs: JSON in, JSON out, every knob with its meaning."""

from .command_line import help_text, parse
from .reading import read_json, validate
from .root import Config

__all__ = ["Config", "help_text", "parse", "read_json", "validate"]
