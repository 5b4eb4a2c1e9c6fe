"""The learning-rate range test: which rate to train a config with."""
