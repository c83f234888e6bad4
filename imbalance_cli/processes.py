"""Networks that are trained in several processes at a time, one thread each.

On the CPU the networks of several folds, candidates or seeds take turns, and the layers of most are
too small to gain from a second thread. So each is trained in one thread, and where there are cores
for it, a part of them in further processes. A network's numbers are those of the network trained
alone in one thread, to the bit, however many processes there are.

Processes start with a plain command rather than by `multiprocessing`, which would run the caller's
script again. What is large is never sent: rows are mapped from files that all processes read, and
parameters from files that each process trains its own part of, in place.

Shapes: M members.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle  # between processes that this one started; never in a file that is read later
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
from torch import nn

from imbalance_cli.dataset import Dataset
from imbalance_cli.device import available_memory, one_thread
from imbalance_cli.errors import TrainingError, explain_write
from imbalance_cli.sparse_rows import SparseRows
from imbalance_cli.training import EpochResult, train

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imbalance_cli.dataset import Rows
    from imbalance_cli.model import MultilayerPerceptron
    from imbalance_cli.recipes import Recipe
    from imbalance_cli.training import Member

MAPPED_BYTES = 2**16  # arrays of so many are mapped, smaller ones are sent
PROCESS_BYTES = 2**29  # that a process takes: torch, and what a few batches make
WORTH_A_PROCESS = (
    500_000  # rows x epochs of all networks: some ten seconds, and a start takes three
)
COMMAND = "from imbalance_cli.processes import serve; serve()"


class Progress(NamedTuple):
    """An epoch, and the processor time of the training so far, in seconds."""

    result: EpochResult
    seconds: float


def train_on_cores(
    model: MultilayerPerceptron,
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
        OutputError: there is no room for the files that processes share.
    """
    is_kept = isinstance(rows, (Dataset, SparseRows))
    if rows.device.type != "cpu" or len(members) == 1 or not is_kept:
        began = time.process_time()
        for result in train(model, rows, members, recipe):
            yield Progress(result, time.process_time() - began)
        return
    number = processes or _choose_processes(members, recipe)
    with one_thread(), contextlib.ExitStack() as stack:
        cuts = [round(i * len(members) / number) for i in range(number + 1)]
        others: list[_Process] = []
        if number > 1:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imbtrain-")))
            stack.enter_context(_mapped_parameters(model, folder))
            for first, end in itertools.pairwise(cuts[1:]):
                job = _Job(model, rows, members[first:end], recipe, slice(first, end))
                others.append(stack.enter_context(_Process(job, folder)))
        yield from _take_part(
            train(model.part(0, cuts[1]), rows, members[: cuts[1]], recipe), others
        )


def _choose_processes(members: Sequence[Member], recipe: Recipe) -> int:
    work = recipe.epochs * sum(len(member.train) for member in members)
    if work < WORTH_A_PROCESS:
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


class _Job(NamedTuple):
    """What a process is to do: train some members of a model that it shares."""

    model: MultilayerPerceptron
    rows: Rows
    members: Sequence[Member]
    recipe: Recipe
    part: slice


class _Process:
    """Another process, which trains an epoch at each request.

    Args:
        job: what it trains.
        folder: where the arrays are that it maps.
    """

    def __init__(self, job: _Job, folder: Path) -> None:
        self.seconds = 0.0  # of its processor
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(  # noqa: S603  this Python, with a command of our own
            # -P: what lies in the working directory is not imported in place of a library
            [sys.executable, "-P", "-c", COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for the caller, whose end then ends this one
        )
        self._into, self._out = _not_none(self._process.stdin), _not_none(self._process.stdout)
        with explain_write(folder):
            _Pickler(self._into, folder).dump(job)

    def go_on(self) -> None:
        """Let it train an epoch."""
        with contextlib.suppress(BrokenPipeError):  # `receive` reports its end
            self._into.write(b".")
            self._into.flush()

    def receive(self) -> EpochResult | None:
        """Return what its epoch came to; None where it has nothing left to train.

        Raises:
            TrainingError: it ended, or what it raised.
        """
        try:
            answer, self.seconds = pickle.load(self._out)  # noqa: S301  written by `serve`
        except EOFError:
            code = self._process.wait()
            raise TrainingError(
                f"a process that trained some of the networks ended early, with code {code}",
                hint="OMP_NUM_THREADS=1 trains all of them in one process, with less memory",
            ) from None
        if isinstance(answer, Exception):
            raise answer
        result: EpochResult | None = answer
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._into, self._out):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def serve() -> None:
    """Train the members of a job that is read from stdin, an epoch for every byte after it."""
    torch.set_num_threads(1)
    source = sys.stdin.buffer
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is printed is no answer
        job: _Job = _Unpickler(source).load()
        own = train(
            job.model.part(job.part.start, job.part.stop), job.rows, job.members, job.recipe
        )
        answer: EpochResult | Exception | None
        while source.read(1):
            try:
                answer = next(own, None)
            except Exception as error:  # noqa: BLE001  it is raised where the job comes from
                answer = error
            pickle.dump((answer, time.process_time()), answers)
            answers.flush()


@contextlib.contextmanager
def _mapped_parameters(model: nn.Module, folder: Path) -> Iterator[None]:
    """Map the parameters of a model from files, in place; afterwards their memory is its own."""
    parameters = [parameter for parameter in model.parameters() if parameter.numel()]
    for number, parameter in enumerate(parameters):
        mapped = _Mapped.write(parameter.detach().numpy(), folder / f"parameter-{number}")
        parameter.data = mapped.tensor(is_shared=True)
        parameter.mapped = mapped  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.data = parameter.data.clone()
            del parameter.mapped  # type: ignore[attr-defined]


class _Mapped(NamedTuple):
    """An array in a file."""

    path: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @classmethod
    def write(cls, values: np.ndarray[Any, Any], path: Path) -> _Mapped:
        """Write an array."""
        with explain_write(path):
            values.tofile(path)
        return cls(str(path), torch.from_numpy(values[:0]).dtype, values.shape)

    def tensor(self, *, is_shared: bool) -> torch.Tensor:
        """Map it; where it is shared, what is written to it is seen by all."""
        size = int(np.prod(self.shape))
        mapped = torch.from_file(self.path, shared=is_shared, size=size, dtype=self.dtype)
        return mapped.view(self.shape)


class _Pickler(pickle.Pickler):
    """Writes large arrays to files of a folder, each once."""

    def __init__(self, stream: IO[bytes], folder: Path) -> None:
        super().__init__(stream)
        self._folder = folder
        self._written: dict[int, tuple[object, _Mapped]] = {}

    def persistent_id(self, value: object) -> tuple[str, _Mapped] | None:
        """Return the file of an array, or None where it is to be sent."""
        if isinstance(value, nn.Parameter) and hasattr(value, "mapped"):
            return "parameter", value.mapped
        if isinstance(value, torch.Tensor) and not isinstance(value, nn.Parameter):
            array, kind = value.detach().numpy(), "tensor"
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            array, kind = value, "array"
        else:
            return None
        if array.nbytes < MAPPED_BYTES:
            return None
        if id(value) not in self._written:
            path = self._folder / f"{os.urandom(8).hex()}"
            self._written[id(value)] = value, _Mapped.write(array, path)
        return kind, self._written[id(value)][1]


class _Unpickler(pickle.Unpickler):
    """Maps what `_Pickler` wrote; what was one array is one again."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self._mapped: dict[object, object] = {}

    def persistent_load(self, name: tuple[str, _Mapped]) -> object:
        """Return the array of a file."""
        if name not in self._mapped:
            kind, mapped = name
            tensor = mapped.tensor(is_shared=kind == "parameter")
            value: object = tensor
            if kind != "tensor":
                value = nn.Parameter(tensor) if kind == "parameter" else tensor.numpy()
            self._mapped[name] = value
        return self._mapped[name]


def _not_none(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("it was asked for")
    return stream
