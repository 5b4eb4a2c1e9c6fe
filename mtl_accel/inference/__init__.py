"""From a model and pictures to logits, scores, answers and submissions."""
