"""From decoded pictures to the input of the model."""
