"""What is minimised: the losses of each task, and how the tasks are balanced."""
