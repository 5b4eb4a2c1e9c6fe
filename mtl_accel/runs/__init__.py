"""The run folder: what lies in it, who may write it, and the finished model."""
