"""Everything that can be known of a data set without training: one page of findings, for launch/doctor.py."""
