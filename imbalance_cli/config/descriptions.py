"""What every key of a config does: for the JSON schema, the written configs and the docs.

Types, choices, ranges, defaults and descriptions are read off the sections themselves.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from imbalance_cli.config.sections import Config

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def _list_fields() -> dict[str, dict[str, FieldInfo]]:
    """Return the fields of each section, by their keys as a config spells them."""
    return {
        section: {
            inner.alias or name: inner
            for name, inner in getattr(field.annotation, "model_fields", {}).items()
        }
        for section, field in Config.model_fields.items()
    }


SECTIONS = {name: str(inspect.getdoc(f.annotation)) for name, f in Config.model_fields.items()}
DESCRIPTIONS = {
    f"{section}.{key}": " ".join(str(field.description).split())
    for section, fields in _list_fields().items()
    for key, field in fields.items()
}
"""By section and key, as `section.key`."""


def list_keys() -> dict[str, list[tuple[str, Any]]]:
    """Return (key, default) of each section, as a config spells them; `...` has no default."""
    return {
        section: [
            (key, ... if field.is_required() else field.get_default(call_default_factory=True))
            for key, field in fields.items()
        ]
        for section, fields in _list_fields().items()
    }
