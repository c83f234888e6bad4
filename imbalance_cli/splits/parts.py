"""What a split is.

Shapes: N rows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]
    Groups = NDArray[np.integer[Any]]
    PartNumbers = NDArray[np.integer[Any]]
    Floats = NDArray[np.floating]

PARTS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True)
class Split:
    """The rows of each part, in their order in the table.

    Attributes:
        strategy: how it was cut.
        train: (N_train,) row numbers.
        valid: (N_valid,) row numbers.
        test: (N_test,) row numbers.
    """

    strategy: str
    train: Rows
    valid: Rows
    test: Rows

    def rows_of_parts(self) -> dict[str, Rows]:
        """Return the rows of each part by its name."""
        return {"train": self.train, "valid": self.valid, "test": self.test}
