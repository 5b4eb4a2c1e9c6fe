"""Files of tables, read into the cache: text in any encoding, JSON lines."""
