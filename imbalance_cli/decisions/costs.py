"""What wrong decisions cost."""


def least_cost_threshold(false_positive: float, false_negative: float) -> float:
    """Return the threshold of the least expected cost on calibrated probabilities.

    Elkan (2001, The foundations of cost-sensitive learning).

    Args:
        false_positive: its cost.
        false_negative: its cost.
    """
    return false_positive / (false_positive + false_negative)
