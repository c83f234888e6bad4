"""A run as one ONNX file: its graph stage by stage, and ONNX Runtime against the run."""

from imbalance_cli.export.checking import Comparison, to_feeds
from imbalance_cli.export.made_up_rows import make_rows
from imbalance_cli.export.model import Precision, build_onnx

__all__ = ["Comparison", "Precision", "build_onnx", "make_rows", "to_feeds"]
