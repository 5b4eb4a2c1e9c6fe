"""From a model and images to logits, scores, answers and submissions."""
