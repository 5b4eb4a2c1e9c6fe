"""What is measured against one another: the limit, the data alone, our loop, the peers."""
