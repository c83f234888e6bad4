"""The run directory, and the fitted model that it holds."""
