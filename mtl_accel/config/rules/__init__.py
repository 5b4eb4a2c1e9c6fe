"""Rules of a config as a whole: what its knobs get wrong together, and the plugins that it needs."""
