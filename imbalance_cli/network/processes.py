"""Networks that are trained in several processes at a time, one thread each.

On the CPU the networks of one model, of several folds, candidates or seeds take turns, and the
layers of most are too small to gain from a second thread. So each is trained in one thread, and
where there are cores for it, in a process for each. A network's numbers are those of the network
trained alone in one thread, to the bit, however many processes there are.

Processes are forks of this one, so they start at once and share the rows; the parameters, which
each trains its own part of, lie in memory that all of them write to. None waits for another: this
one puts what they send into the order that one process would have trained in.

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
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Self

import safetensors.torch
import torch
from torch import nn

from imbalance_cli.errors import TrainingError
from imbalance_cli.machine.device import available_memory, one_thread
from imbalance_cli.network.state import to_bytes
from imbalance_cli.network.training import Training, begin, make_groups, states_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from multiprocessing.connection import Connection

    from imbalance_cli.network.epochs import EpochResult, Span, Timeline
    from imbalance_cli.network.model import Model
    from imbalance_cli.network.recipes import Recipe
    from imbalance_cli.network.state import State
    from imbalance_cli.network.training import Group, Member
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
        model: on the device of the rows; at the end it holds what all processes trained.
        rows: all rows that any member learns from or is validated on.
        members: (M,) what each learns from.
        recipe: as of `Training`.
        processes: how many; None for as many as are worth their start and fit the memory.
        state: to go on from, however many processes it was of; None begins.
        is_over: as of `Training`.

    Raises:
        TrainingError: as of `Training`, or a process ended early.
    """
    is_single = rows.device.type != "cpu" or len(members) == 1 or rows.is_stored
    number = 1 if is_single or is_over else processes or _choose_processes(members, recipe)
    with contextlib.nullcontext() if is_single else one_thread():
        if number > 1:
            yield from _train_in_processes(model, rows, members, recipe, number, state)
            return
        began = time.process_time()
        training = Training(model, rows, members, recipe, state=state, is_over=is_over)
        for result in training:
            yield Progress(result, time.process_time() - began, training.state)


def _choose_processes(members: Sequence[Member], recipe: Recipe) -> int:
    work = recipe.epochs * sum(len(member.train) for member in members)
    if work < WORTH_A_PROCESS or sys.platform != "linux":  # elsewhere forks are unsafe, or none
        return 1
    at_once = sum(not member.follows for member in members)
    room = available_memory(torch.device("cpu")) // PROCESS_BYTES
    return max(min(torch.get_num_threads(), at_once, room), 1)


def _train_in_processes(
    model: Model,
    rows: Rows,
    members: Sequence[Member],
    recipe: Recipe,
    number: int,
    state: State | None,
) -> Generator[Progress]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(_shared_parameters(model))
        groups = make_groups(model, rows, members, recipe, together=False)
        timeline = begin(groups, state, at_once=number)
        workers = [stack.enter_context(_Worker(groups)) for _ in range(number)]
        yield from _Team(groups, timeline, workers).train()
    model.eval()


class _Team:
    """Workers that share out groups among them.

    Groups that follow no other are dealt out at once, and go on together; each other one is for the
    first worker with nothing to do, the longest first.

    Args:
        groups: all of them.
        timeline: of these groups.
        workers: with nothing to do yet.
    """

    def __init__(
        self, groups: Sequence[Group], timeline: Timeline, workers: Sequence[_Worker]
    ) -> None:
        self._timeline, self._workers = timeline, workers
        self._failed: dict[int, Exception] = {}
        self._ended = [g for g in groups if g.result.epoch and not g.result.is_training]
        self._waiting = [n for n, group in enumerate(groups) if group not in self._ended]
        at_once = [n for n in self._waiting if groups[n].leader is None or groups[n].result.epoch]
        turns = itertools.cycle(workers)
        for number, span in timeline.spans(at_once).items():
            self._waiting.remove(number)
            next(turns).train(number, span)

    def train(self) -> Generator[Progress]:
        """Yield the epochs in their order; an error when all epochs before it have been yielded."""
        began = time.process_time()
        while True:
            for result in self._timeline.whole():
                spent = sum(worker.seconds for worker in self._workers)
                yield Progress(result, time.process_time() - began + spent, self.state)
            due = self._timeline.due()
            if not due:
                return
            for number in due:
                if number in self._failed:
                    raise self._failed[number]
            self._allot()
            busy = [worker for worker in self._workers if worker.is_busy]
            sent = wait([worker.pipe for worker in busy])
            for worker in busy:
                if worker.pipe in sent and not isinstance(answer := worker.receive(), bytes):
                    self._take(*answer)

    def state(self) -> State:
        """Return what training goes on from, after epochs that are taken on the way."""
        state = states_of(self._ended)
        for worker in self._workers:
            worker.ask_for_state()
            while not isinstance(answer := worker.receive(), bytes):
                self._take(*answer)
            state |= safetensors.torch.load(answer)
        return state | self._timeline.state()

    def _allot(self) -> None:
        for worker in self._workers:
            ready = {} if worker.is_busy else self._timeline.spans(self._waiting)
            if ready:
                longest = max(ready, key=lambda n: self._timeline.expected_seconds(n, ready[n]))
                self._waiting.remove(longest)
                worker.train(longest, ready[longest])

    def _take(self, number: int, result: EpochResult | Exception) -> None:
        if isinstance(result, Exception):
            self._failed[number] = result
        else:
            self._timeline.add(number, result)


class _Worker:
    """A forked process that trains the groups it is given.

    Args:
        groups: all of them, as they begin or go on.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self.seconds = 0.0  # of its processor
        self._training: set[int] = set()
        self.pipe, theirs = multiprocessing.Pipe()
        with warnings.catch_warnings():
            # of threads beside it: those of torch and polars sleep, and the fork starts none
            warnings.simplefilter("ignore", DeprecationWarning)
            self._id = os.fork()
        if not self._id:
            self.pipe.close()
            _serve(groups, theirs)
        theirs.close()

    @property
    def is_busy(self) -> bool:
        """Whether any of its groups goes on."""
        return bool(self._training)

    def train(self, number: int, span: Span) -> None:
        """Let it train a group to its end, beside those that it has."""
        self._training.add(number)
        self._send((number, span))

    def ask_for_state(self) -> None:
        """Let it send the state of its groups, after the epochs that it has sent by then."""
        self._send(None)

    def _send(self, request: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # `receive` reports its end
            self.pipe.send(request)

    def receive(self) -> tuple[int, EpochResult | Exception] | bytes:
        """Return a group's number and its next epoch or what that raised, or the state asked for.

        Raises:
            TrainingError: it ended, or its state could not be sent.
        """
        answer: tuple[int, EpochResult | Exception] | bytes | Exception
        try:
            answer, self.seconds = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            _, status = os.waitpid(self._id, 0)
            self._id = 0
            raise TrainingError(
                "a process that trained some of the networks ended early, with code "
                f"{os.waitstatus_to_exitcode(status)}",
                hint="OMP_NUM_THREADS=1 trains all of them in one process, with less memory; a fit "
                "goes on from its last checkpoint with --resume",
            ) from None
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, bytes):
            number, result = answer
            if isinstance(result, Exception) or not result.is_training:
                self._training.remove(number)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._id:
            os.kill(self._id, signal.SIGKILL)
            os.waitpid(self._id, 0)
        self.pipe.close()


def _serve(groups: Sequence[Group], requests: Connection) -> NoReturn:
    """Train groups, the one that is behind first; end this process when nobody asks any more."""
    os.setsid()  # Ctrl-C is for the other process, whose end then ends this one
    gc.freeze()  # what is garbage is the other's to finalise
    spans: dict[int, Span] = {}
    failed: set[int] = set()
    answer: tuple[int, EpochResult | Exception] | bytes | Exception
    try:
        while True:
            going = [n for n in spans if groups[n].result.is_training and n not in failed]
            if going and not requests.poll():
                number = min(going, key=lambda n: max(groups[n].result.epoch, spans[n].after))
                try:
                    answer = number, groups[number].train_epoch(spans[number])
                except Exception as error:  # noqa: BLE001  it is raised where the epochs go
                    failed.add(number)
                    answer = number, error
            elif (request := requests.recv()) is None:
                try:  # as bytes, since tensors would be shared one by one
                    answer = to_bytes(states_of(groups[n] for n in spans))
                except Exception as error:  # noqa: BLE001  it is raised where the request comes from
                    answer = error
            else:
                number, spans[number] = request
                continue
            requests.send((answer, time.process_time()))
    except (EOFError, ConnectionError):  # nobody asks any more
        os._exit(0)
    finally:  # no cleaning up of what is the other's
        os._exit(1)


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
