"""From log-odds to calibrated probabilities and decisions."""
