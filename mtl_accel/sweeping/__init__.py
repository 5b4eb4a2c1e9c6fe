"""Many runs, one after another, for launch/sweep.py."""
