"""From decoded images to the input of the model."""
