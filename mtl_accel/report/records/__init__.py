"""What run folders say, run by run and side by side."""
