"""The number of parameters of a model by part: as formulas give it, and as counted on the real Layer."""
