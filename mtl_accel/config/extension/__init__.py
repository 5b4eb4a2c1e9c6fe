"""What plugins add to the config: open unions, and parts with their sections."""
