"""What the models of this package compute inside for one text, by kind of model."""
