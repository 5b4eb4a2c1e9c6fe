"""What becomes of a picture's pixels after they are read."""
