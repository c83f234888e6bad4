"""Batches of stored rows in an order that is random enough to learn from and kind to the disk.

Blocks of successive rows come in random order; the rows of some blocks at a time are shuffled
together in a buffer, and cut into batches. The next buffer is read while this one is learned from.

Shapes: N chosen rows, B batch.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from imbalance_cli.rows.stored_features import NumberedRows

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from imbalance_cli.rows.stored_features import StoredFeatures

BLOCK = 1024
MIXED = 64
WAIT = 0.1  # seconds between looks at whether anybody still wants the next buffer


class ShuffledBlocks:
    """Batches of an epoch, each chosen row once; every iteration is another epoch.

    The order follows from the generator alone. At most four buffers of block * mixed rows are in
    memory at a time. Where an epoch starts inside a block is drawn anew for each, so that blocks
    hold other rows every time.

    Args:
        features: of all stored rows.
        rows: ascending row numbers, (N,); int32 ones take half the memory.
        batch_size: the most rows of a batch; batches differ in size by at most one row.
        generator: draws the order.
        block: successive rows that are read together.
        mixed: blocks that are shuffled together.
    """

    def __init__(
        self,
        features: StoredFeatures,
        rows: NDArray[np.integer[Any]],
        batch_size: int,
        generator: np.random.Generator,
        *,
        block: int = BLOCK,
        mixed: int = MIXED,
    ) -> None:
        self._features, self._rows, self._generator = features, rows, generator
        self._block, self._mixed = block, mixed
        self._steps = math.ceil(len(rows) / batch_size)

    def __len__(self) -> int:
        """Return the number of batches."""
        return self._steps

    def __iter__(self) -> Generator[NumberedRows, None, None]:
        """Yield batches of B rows; closing the iterator ends its thread."""
        random = np.random.default_rng(int(self._generator.integers(2**63)))
        return _cut(_prefetch(self._buffers(random)), len(self._rows), self._steps)

    def _buffers(self, random: np.random.Generator) -> Generator[NumberedRows, None, None]:
        """Yield the rows of some blocks at a time, shuffled."""
        offset = int(random.integers(self._block))
        cuts = np.arange(self._block - offset, len(self._rows), self._block)
        blocks = np.split(self._rows, cuts)
        order = random.permutation(len(blocks))
        for first in range(0, len(order), self._mixed):
            rows = np.concatenate([blocks[i] for i in order[first : first + self._mixed]])
            buffer = self._features.take(rows)
            self._features.release()
            yield buffer[random.permutation(len(rows))]


def _cut(
    buffers: Generator[NumberedRows, None, None], rows: int, steps: int
) -> Generator[NumberedRows]:
    """Yield the rows of buffers in `steps` batches, the first of which may be a row larger."""
    with contextlib.closing(buffers):
        parts: list[NumberedRows] = []
        held = 0
        for step in range(steps):
            size = rows // steps + (step < rows % steps)
            while held < size:
                parts.append(next(buffers))
                held += len(parts[-1])
            batch, parts = _split(parts, size)
            held -= size
            yield batch


def _split(parts: list[NumberedRows], size: int) -> tuple[NumberedRows, list[NumberedRows]]:
    """Return the first so many rows of parts, all but the last of which are used up, and the rest.

    The last part is cut as a view, so that a buffer is copied once at most.
    """
    *used, last = parts
    needed = size - sum(len(part) for part in used)
    batch = _stack([*used, last[:needed]])
    return batch, [last[needed:]] if needed < len(last) else []


def _stack(parts: list[NumberedRows]) -> NumberedRows:
    if len(parts) == 1:
        return parts[0]
    return NumberedRows(
        np.concatenate([part.numeric for part in parts]),
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.numbers for part in parts]),
    )


def _prefetch(items: Generator[NumberedRows, None, None]) -> Generator[NumberedRows]:
    """Yield what an iterator does, while a thread fetches the next; its errors are raised here."""
    waiting: queue.Queue[NumberedRows | BaseException | None] = queue.Queue(maxsize=1)
    is_over = threading.Event()

    def offer(item: NumberedRows | BaseException | None) -> None:
        while not is_over.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(item, timeout=WAIT)
                return

    def fetch() -> None:
        try:
            for item in items:
                offer(item)
                if is_over.is_set():
                    return
            offer(None)
        except BaseException as error:  # noqa: BLE001  raised again where the rows are waited for
            offer(error)

    thread = threading.Thread(target=fetch, name="prefetch", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        is_over.set()
        thread.join()
