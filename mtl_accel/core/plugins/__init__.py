"""Plugins: code outside of this package that registers networks, losses and other parts; how it is found and named."""
