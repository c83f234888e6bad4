"""`imbtrain schema`: what a config may hold, for editors and other programs."""

from __future__ import annotations

from imbalance_cli.cli.console import write_result
from imbalance_cli.cli.options import Debug


def schema(
    debug: Debug = False,  # noqa: ARG001  read by the boundary
) -> None:
    """Write the JSON schema of the config, which editors complete and check YAML by."""
    from imbalance_cli.config.json_schema import make_json_schema
    from imbalance_cli.report.encoding import encode_document

    write_result(encode_document(make_json_schema()), None)
