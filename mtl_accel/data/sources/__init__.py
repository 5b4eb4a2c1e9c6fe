"""Any source as a table: who reads a file format knows nothing of labels, pixels or batches."""
