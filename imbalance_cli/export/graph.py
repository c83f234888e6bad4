"""An ONNX graph as it is written down: named values, with the operators of Python."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
"""Of 2022: every later runtime reads them, and no newer operator is needed."""
ML_DOMAIN = "ai.onnx.ml"
ROWS = "rows"  # what the graph calls their number


@dataclasses.dataclass(frozen=True)
class Value:
    """A tensor of the graph; numbers beside one become constants of its type.

    Attributes:
        graph: that it is of.
        name: in it.
        dtype: of its cells; object for texts.
    """

    graph: Graph
    name: str
    dtype: np.dtype[Any]

    def __add__(self, other: Operand) -> Value:
        return self.graph.add("Add", self, other)

    def __sub__(self, other: Operand) -> Value:
        return self.graph.add("Sub", self, other)

    def __mul__(self, other: Operand) -> Value:
        return self.graph.add("Mul", self, other)

    def __truediv__(self, other: Operand) -> Value:
        return self.graph.add("Div", self, other)

    def __matmul__(self, other: Operand) -> Value:
        return self.graph.add("MatMul", self, other)

    def __neg__(self) -> Value:
        return self.graph.add("Neg", self)

    def below(self, other: Operand) -> Value:
        """Return where it is less than others."""
        return self.graph.add("Less", self, other, dtype=np.bool_)

    def above(self, other: Operand) -> Value:
        """Return where it is more than others."""
        return self.graph.add("Greater", self, other, dtype=np.bool_)

    def reaches(self, other: Operand) -> Value:
        """Return where it is at least others."""
        return self.graph.add("GreaterOrEqual", self, other, dtype=np.bool_)

    def equals(self, other: Operand) -> Value:
        """Return where it has the same numbers."""
        return self.graph.add("Equal", self, other, dtype=np.bool_)

    def is_nan(self) -> Value:
        """Return where it is missing."""
        return self.graph.add("IsNaN", self, dtype=np.bool_)

    def where(self, condition: Value, other: Operand) -> Value:
        """Return its own cells where a condition holds, and others elsewhere."""
        return self.graph.add("Where", condition, self, other, dtype=self.dtype)

    def apply(self, operator: str, **attributes: Any) -> Value:  # noqa: ANN401  what the operator takes
        """Return what an operator of one argument makes of it."""
        return self.graph.add(operator, self, **attributes)

    def clip(self, low: float, high: float) -> Value:
        """Return it within bounds."""
        return self.graph.add("Clip", self, low, high)

    def at_least(self, bound: float) -> Value:
        """Return it, raised to a bound."""
        return self.graph.add("Max", self, bound)

    def at_most(self, bound: float) -> Value:
        """Return it, lowered to a bound."""
        return self.graph.add("Min", self, bound)

    def cast(self, dtype: DType) -> Value:
        """Return it in another type."""
        if self.dtype == dtype:
            return self
        to = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.graph.add("Cast", self, dtype=dtype, to=to)

    def reshape(self, *shape: int) -> Value:
        """Return it in another shape; -1 is whatever is left."""
        return self.graph.add("Reshape", self, np.array(shape, np.int64))

    def transpose(self, *order: int) -> Value:
        """Return it with its axes in another order."""
        return self.apply("Transpose", perm=order)

    def unsqueeze(self, axis: int) -> Value:
        """Return it with a further axis of length 1."""
        return self.graph.add("Unsqueeze", self, np.array([axis], np.int64))

    def take(self, indices: Sequence[int], axis: int, length: int) -> Value:
        """Return some of the entries along an axis of a known length."""
        if list(indices) == list(range(length)):
            return self
        return self.graph.add("Gather", self, np.array(indices, np.int64), axis=axis)


DType = np.dtype[Any] | type[Any]
Operand = Value | float | np.ndarray[Any, Any]


class Graph:
    """Inputs, nodes and constants, each with a name of its own.

    Args:
        inputs: names of the graph's inputs, which no other value may have.
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        self._prefix = "/"
        while any(name.startswith(self._prefix) for name in inputs):
            self._prefix += "/"
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = {}

    def input(self, name: str, dtype: DType) -> Value:
        """Return a new input, a column of (N, 1)."""
        self._inputs.append(_describe(name, np.dtype(dtype), 1))
        return Value(self, name, np.dtype(dtype))

    def output(self, name: str, value: Value, columns: int) -> None:
        """Call a value an output, (N, columns)."""
        self._nodes.append(helper.make_node("Identity", [value.name], [name]))
        self._outputs.append(_describe(name, value.dtype, columns))

    def constant(self, array: ArrayLike, dtype: DType | None = None) -> Value:
        """Return a constant, one for all that are alike."""
        cells: NDArray[Any] = np.ascontiguousarray(array, dtype)
        key = cells.dtype.str, np.shape(array), cells.tobytes()
        if key not in self._constants:
            tensor = numpy_helper.from_array(cells.reshape(np.shape(array)), self._new_name())
            self._constants[key] = tensor
        return Value(self, self._constants[key].name, cells.dtype)

    def add(
        self,
        operator: str,
        *arguments: Operand,
        dtype: DType | None = None,
        domain: str = "",
        **attributes: Any,  # noqa: ANN401  as above
    ) -> Value:
        """Add a node and return its result.

        Args:
            operator: of ONNX.
            arguments: the first is a value; numbers become constants of the first's type, and
                whole ones of an array stay so.
            dtype: of the result; None for that of the first argument.
            domain: of the operator.
            attributes: of the node.
        """
        first = next(each for each in arguments[::-1] if isinstance(each, Value))
        names = [
            each.name
            if isinstance(each, Value)
            else self.constant(each, None if _is_whole(each) else first.dtype).name
            for each in arguments
        ]
        name = self._new_name()
        self._nodes.append(helper.make_node(operator, names, [name], domain=domain, **attributes))
        return Value(self, name, first.dtype if dtype is None else np.dtype(dtype))

    def concatenate(self, values: Sequence[Value], axis: int) -> Value:
        """Return values one after the other along an axis; one alone is itself."""
        return values[0] if len(values) == 1 else self.add("Concat", *values, axis=axis)

    def to_model(self, metadata: Mapping[str, str], text: str) -> onnx.ModelProto:
        """Return the model, with what is said of it."""
        graph = helper.make_graph(
            self._nodes,
            "imbtrain",
            self._inputs,
            self._outputs,
            list(self._constants.values()),
            doc_string=text,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=IR_VERSION,
            producer_name="imbtrain",
            doc_string=text,
        )
        helper.set_model_props(model, dict(metadata))
        return model

    def _new_name(self) -> str:
        return f"{self._prefix}{len(self._nodes)}.{len(self._constants)}"


def _is_whole(value: Operand) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.int64


def _describe(name: str, dtype: np.dtype[Any], columns: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(dtype), [ROWS, columns]
    )
