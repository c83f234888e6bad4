"""Networks that are trained in several processes at a time, one thread each.

On the CPU the networks of one model, of several folds, candidates or seeds take turns, and the
layers of most are too small to gain from a second thread. So each is trained in one thread, and
where there are cores for it, a part of them in further processes. A network's numbers are those of
the network trained alone in one thread, to the bit, however many processes there are.

Processes are forks of this one, so they start at once and share the rows; the parameters, which
each trains its own part of, lie in memory that all of them write to.

Shapes: M members.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import mmap
import multiprocessing
import os
import signal
import sys
import time
import warnings
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Self

import torch
from torch import nn

from imbalance_cli.errors import TrainingError
from imbalance_cli.machine.device import available_memory, one_thread
from imbalance_cli.network.training import EpochResult, train

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

    from imbalance_cli.network.model import Model
    from imbalance_cli.network.recipes import Recipe
    from imbalance_cli.network.training import Member
    from imbalance_cli.rows.dataset import Rows

PROCESS_BYTES = 2**28  # that a process takes: what a few batches make, and what it does not share
WORTH_A_PROCESS = 20_000  # rows x epochs of all networks: some tenths of a second


class Progress(NamedTuple):
    """An epoch, and the processor time of the training so far, in seconds."""

    result: EpochResult
    seconds: float


def train_on_cores(
    model: Model,
    rows: Rows,
    members: Sequence[Member],
    recipe: Recipe,
    *,
    processes: int | None = None,
) -> Iterator[Progress]:
    """Train networks as `train` does, several at a time where there are cores for it.

    The threads that torch may use (OMP_NUM_THREADS) are the most processes there are.

    Args:
        model: on the device of the rows; in every epoch it holds what all processes trained.
        rows: all rows that any member learns from or is validated on.
        members: (M,) what each learns from.
        recipe: as of `train`.
        processes: how many; None for as many as are worth their start and fit the memory.

    Raises:
        TrainingError: as of `train`, or a process ended early.
    """
    if rows.device.type != "cpu" or len(members) == 1 or rows.is_stored:
        began = time.process_time()
        for result in train(model, rows, members, recipe):
            yield Progress(result, time.process_time() - began)
        return
    number = processes or _choose_processes(members, recipe)
    cuts = [round(i * len(members) / number) for i in range(number + 1)]
    with one_thread(), contextlib.ExitStack() as stack:
        if number > 1:
            stack.enter_context(_shared_parameters(model))
        parts = [
            train(model.part(first, end), rows, members[first:end], recipe)
            for first, end in itertools.pairwise(cuts)
        ]
        others = [stack.enter_context(_Process(part)) for part in parts[1:]]
        yield from _take_part(parts[0], others)


def _choose_processes(members: Sequence[Member], recipe: Recipe) -> int:
    work = recipe.epochs * sum(len(member.train) for member in members)
    if work < WORTH_A_PROCESS or sys.platform != "linux":  # elsewhere forks are unsafe, or none
        return 1
    room = 1 + available_memory(torch.device("cpu")) // PROCESS_BYTES
    return min(torch.get_num_threads(), len(members), room)


def _take_part(own: Iterator[EpochResult], others: Sequence[_Process]) -> Iterator[Progress]:
    """Train own members while others train theirs, an epoch of all at a time."""
    began = time.process_time()
    latest: list[EpochResult | None] = [None] * (1 + len(others))
    going = [True] * len(latest)
    while True:
        for process, goes_on in zip(others, going[1:], strict=True):
            if goes_on:
                process.go_on()
        found = [next(own, None) if going[0] else None]
        found += [
            process.receive() if goes_on else None
            for process, goes_on in zip(others, going[1:], strict=True)
        ]
        going = [result is not None for result in found]
        latest = [new or old for new, old in zip(found, latest, strict=True)]
        active = [result for result in found if result is not None]
        if not active:
            return
        seconds = time.process_time() - began + sum(process.seconds for process in others)
        yield Progress(_join([r for r in latest if r is not None], active), seconds)


def _join(latest: Sequence[EpochResult], active: Sequence[EpochResult]) -> EpochResult:
    """Return the results of all processes as one, of which some took part in the epoch."""
    return EpochResult(
        epoch=active[0].epoch,
        members=tuple(member for result in latest for member in result.members),
        learning_rate=active[0].learning_rate,
        rows_per_second=sum(result.rows_per_second for result in active),
    )


class _Process:
    """A fork of this process, which trains an epoch at each request.

    Args:
        own: what it trains, not begun yet.
    """

    def __init__(self, own: Iterator[EpochResult]) -> None:
        self.seconds = 0.0  # of its processor
        self._pipe, theirs = multiprocessing.Pipe()
        with warnings.catch_warnings():
            # of threads beside it: those of torch and polars sleep, and the fork starts none
            warnings.simplefilter("ignore", DeprecationWarning)
            self._id = os.fork()
        if not self._id:
            self._pipe.close()
            _serve(own, theirs)
        theirs.close()

    def go_on(self) -> None:
        """Let it train an epoch."""
        with contextlib.suppress(BrokenPipeError):  # `receive` reports its end
            self._pipe.send(None)

    def receive(self) -> EpochResult | None:
        """Return what its epoch came to; None where it has nothing left to train.

        Raises:
            TrainingError: it ended, or what it raised.
        """
        try:
            answer, self.seconds = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            _, status = os.waitpid(self._id, 0)
            self._id = 0
            raise TrainingError(
                "a process that trained some of the networks ended early, with code "
                f"{os.waitstatus_to_exitcode(status)}",
                hint="OMP_NUM_THREADS=1 trains all of them in one process, with less memory",
            ) from None
        if isinstance(answer, Exception):
            raise answer
        result: EpochResult | None = answer
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._id:
            os.kill(self._id, signal.SIGKILL)
            os.waitpid(self._id, 0)
        self._pipe.close()


def _serve(own: Iterator[EpochResult], requests: Connection) -> NoReturn:
    """Train an epoch at each request, and end this process when there are no more."""
    os.setsid()  # Ctrl-C is for the other process, whose end then ends this one
    gc.freeze()  # what is garbage is the other's to finalise
    answer: EpochResult | Exception | None
    try:
        while True:
            requests.recv()
            try:
                answer = next(own, None)
            except Exception as error:  # noqa: BLE001  it is raised where the request comes from
                answer = error
            requests.send((answer, time.process_time()))
    finally:  # an EOFError says that nobody asks any more; no cleaning up of what is the other's
        os._exit(0)


@contextlib.contextmanager
def _shared_parameters(model: nn.Module) -> Iterator[None]:
    """Share the memory of a model's parameters with processes to come; afterwards it is its own."""
    for parameter in model.parameters():
        memory = mmap.mmap(-1, max(parameter.nbytes, 1))
        shared = torch.frombuffer(memory, dtype=parameter.dtype, count=max(parameter.numel(), 1))
        parameter.data = shared[: parameter.numel()].view_as(parameter).copy_(parameter.detach())
    try:
        yield
    finally:
        for parameter in model.parameters():
            parameter.data = parameter.data.clone()
