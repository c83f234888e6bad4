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
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self

import safetensors.torch
import torch
from torch import nn

from imbalance_cli.errors import TrainingError
from imbalance_cli.machine.device import available_memory, one_thread
from imbalance_cli.network.state import to_bytes
from imbalance_cli.network.training import EpochResult, Training, results_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from multiprocessing.connection import Connection

    from imbalance_cli.network.model import Model
    from imbalance_cli.network.recipes import Recipe
    from imbalance_cli.network.state import State
    from imbalance_cli.network.training import Member, MemberResult
    from imbalance_cli.rows.dataset import Rows

PROCESS_BYTES = 2**28  # that a process takes: what a few batches make, and what it does not share
WORTH_A_PROCESS = 20_000  # rows x epochs of all networks: some tenths of a second


class Progress(NamedTuple):
    """An epoch, and how far the training is.

    Attributes:
        result: of the epoch.
        seconds: of processor time so far.
        state: returns what training can go on from; to be called before the next epoch.
    """

    result: EpochResult
    seconds: float
    state: Callable[[], State]


def train_on_cores(
    model: Model,
    rows: Rows,
    members: Sequence[Member],
    recipe: Recipe,
    *,
    processes: int | None = None,
    state: State | None = None,
    is_over: bool = False,
) -> Generator[Progress]:
    """Train networks as `Training` does, several at a time where there are cores for it.

    The threads that torch may use (OMP_NUM_THREADS) are the most processes there are.

    Args:
        model: on the device of the rows; in every epoch it holds what all processes trained.
        rows: all rows that any member learns from or is validated on.
        members: (M,) what each learns from.
        recipe: as of `Training`.
        processes: how many; None for as many as are worth their start and fit the memory.
        state: to go on from, however many processes it was of; None begins.
        is_over: as of `Training`.

    Raises:
        TrainingError: as of `Training`, or a process ended early.
    """
    if rows.device.type != "cpu" or len(members) == 1 or rows.is_stored:
        began = time.process_time()
        training = Training(model, rows, members, recipe, state=state, is_over=is_over)
        for result in training:
            yield Progress(result, time.process_time() - began, training.state)
        return
    number = processes or _choose_processes(members, recipe)
    leading = [m for m, member in enumerate(members) if not member.follows]
    cuts = [leading[round(i * len(leading) / number)] for i in range(number)] + [len(members)]
    with one_thread(), contextlib.ExitStack() as stack:
        if number > 1:
            stack.enter_context(_shared_parameters(model))
        parts = [
            Training(
                model.part(first, end),
                rows,
                members[first:end],
                recipe,
                first=first,
                state=state,
                is_over=is_over,
            )
            for first, end in itertools.pairwise(cuts)
        ]
        others = [stack.enter_context(_Process(part)) for part in parts[1:]]
        # those of a part that had ended before are asked for, too
        latest = [results_of(state or {}, range(*cut)) for cut in itertools.pairwise(cuts)]
        yield from _take_part(parts[0], others, latest)


def _choose_processes(members: Sequence[Member], recipe: Recipe) -> int:
    work = recipe.epochs * sum(len(member.train) for member in members)
    if work < WORTH_A_PROCESS or sys.platform != "linux":  # elsewhere forks are unsafe, or none
        return 1
    room = 1 + available_memory(torch.device("cpu")) // PROCESS_BYTES
    return min(torch.get_num_threads(), sum(not member.follows for member in members), room)


def _take_part(
    own: Training, others: Sequence[_Process], latest: list[tuple[MemberResult, ...]]
) -> Iterator[Progress]:
    """Train own members while others train theirs, an epoch of all at a time."""
    began = time.process_time()
    going = [True] * len(latest)

    def state() -> State:
        return own.state() | {k: v for process in others for k, v in process.state().items()}

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
        latest = [new.members if new else old for new, old in zip(found, latest, strict=True)]
        active = [result for result in found if result is not None]
        if not active:
            return
        seconds = time.process_time() - began + sum(process.seconds for process in others)
        result = EpochResult(
            epoch=active[0].epoch,
            members=tuple(itertools.chain.from_iterable(latest)),
            learning_rate=active[0].learning_rate,
            rows_per_second=sum(result.rows_per_second for result in active),
        )
        yield Progress(result, seconds, state)


class _Process:
    """A fork of this process, which trains an epoch at each request.

    Args:
        own: what it trains, not begun yet.
    """

    def __init__(self, own: Training) -> None:
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
            self._pipe.send("epoch")

    def state(self) -> State:
        """Return what its training can go on from.

        Raises:
            TrainingError: it ended.
        """
        with contextlib.suppress(BrokenPipeError):
            self._pipe.send("state")
        return safetensors.torch.load(self._receive())

    def receive(self) -> EpochResult | None:
        """Return what its epoch came to; None where it has nothing left to train.

        Raises:
            TrainingError: it ended, or what it raised.
        """
        result: EpochResult | None = self._receive()
        return result

    def _receive(self) -> Any:  # noqa: ANN401  what was asked for
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
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._id:
            os.kill(self._id, signal.SIGKILL)
            os.waitpid(self._id, 0)
        self._pipe.close()


def _serve(own: Training, requests: Connection) -> NoReturn:
    """Train an epoch or return the state at each request; end this process after the last."""
    os.setsid()  # Ctrl-C is for the other process, whose end then ends this one
    gc.freeze()  # what is garbage is the other's to finalise
    answer: EpochResult | bytes | Exception | None
    try:
        while True:
            request = requests.recv()
            try:
                # as bytes, since tensors would be shared one by one
                answer = next(own, None) if request == "epoch" else to_bytes(own.state())
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
