"""Augmentations that choose operations and their strengths themselves, in batches, with torchvision's pixels."""
