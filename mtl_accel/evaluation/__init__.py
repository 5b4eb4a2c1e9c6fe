"""The evaluation of a finished model, for launch/evaluate.py and `mtl_accel.evaluate`."""
