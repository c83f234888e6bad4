"""The commented config: quoted safely, valid as it is, and complete."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_cli.config import Config, load_config
from imbalance_cli.config.descriptions import DESCRIPTIONS, SECTIONS, list_keys
from imbalance_cli.config.template import Proposal, write_template
from imbalance_cli.yaml_text import parse_mapping, quote

NAMES = [
    "no",
    "1e5",
    "a: b",
    "it's",
    '"',
    "naïve 中 🙂",
    "two\nlines",
    "# x",
    "*",
    "",
    " a ",
    "~",
    "null",
    "-",
    "\x00",
    "\x85",
    "2013-02-08",
    "0x1f",
    "010",
    "y",
    "=",
    "<<",
    "{a}",
    "C:\\x",
]


def load(text: str) -> Config:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_text(text, encoding="utf-8", newline="")
        return load_config(str(path))


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_stay_what_they_are(name: str) -> None:
    assert yaml.safe_load(quote(name)) == name
    assert parse_mapping(f"k: {quote(name)}", "c")[0] == {"k": name}


# a surrogate is no character of any UTF-8 file, and so of no column
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None)
@given(TEXTS)
def test_any_name_stays_what_it_is(name: str) -> None:
    assert parse_mapping(f"k: {quote(name)}", "c")[0] == {"k": name}
    assert "\n" not in quote(name)


@pytest.mark.parametrize("name", ["y_1", "data/flights.csv", "a-b", "Cancelled"])
def test_plain_names_are_not_quoted(name: str) -> None:
    assert quote(name) == name


def test_all_that_is_proposed_is_in_the_config() -> None:
    proposal = Proposal(
        source="a b.csv",
        labels={"no": "3 positives", "y": ""},
        about=["Two\nlines: #1."],
        exclude={"id": "looks like an id\n: 'x\ty'"},
        settings={"positive": "1e5", "group": "who"},
        suggested={"group": {"other": "2 values"}, "time": {"when": "1999 to 2001"}},
    )
    text = write_template(proposal)
    data = load(text).data
    assert (data.train, data.labels, data.exclude) == (["a b.csv"], ["no", "y"], ["id"])
    assert (data.positive, data.group, data.time) == ("1e5", "who", None)
    assert "  # time: when  # 1999 to 2001\n" in text
    assert "group: other" not in text


@settings(deadline=None)
@given(
    st.dictionaries(TEXTS.filter(bool), TEXTS, min_size=1, max_size=3),
    st.dictionaries(TEXTS, TEXTS, max_size=3),
    st.lists(TEXTS, max_size=2),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
)
def test_any_proposal_loads(
    labels: dict[str, str],
    exclude: dict[str, str],
    about: list[str],
    groups: dict[str, str],
) -> None:
    proposal = Proposal("t.csv", labels, about, exclude, suggested={"group": groups})
    data = load(write_template(proposal)).data
    assert (data.labels, data.exclude, data.group) == (list(labels), list(exclude), None)


def test_what_is_commented_out_is_the_default() -> None:
    """Taking the comment away from a value changes nothing."""
    text = write_template(Proposal("t.csv", {"y": ""}))
    plain = load(text)
    keys = {f"  # {key}: " for section in list_keys().values() for key, _ in section}
    lines = [
        line.replace("# ", "", 1) if any(line.startswith(key) for key in keys) else line
        for line in text.splitlines()
    ]
    document = yaml.safe_load("\n".join(lines))
    # but that a strategy, once given, asks for weights
    quiet = [line for line in lines if not line.startswith("  strategy: ratio")]
    assert load("\n".join(quiet)) == plain
    fields = {name: field.annotation for name, field in Config.model_fields.items()}
    for section, values in document.items():
        assert len(values) == len(getattr(fields[section], "model_fields", {}))


def test_every_key_has_a_description_and_every_description_a_key() -> None:
    keys = list_keys()
    assert list(SECTIONS) == list(keys)
    assert list(DESCRIPTIONS) == [f"{s}.{key}" for s, fields in keys.items() for key, _ in fields]


def test_descriptions_are_sentences() -> None:
    for text in [*SECTIONS.values(), *DESCRIPTIONS.values()]:
        assert text.endswith(".")
        assert text == " ".join(text.split())


def test_defaults_are_those_of_the_sections() -> None:
    defaults: dict[str, dict[str, Any]] = {s: dict(fields) for s, fields in list_keys().items()}
    assert defaults["data"]["train"] is ...
    assert defaults["data"]["exclude"] == []
    assert defaults["weighting"]["from"] is None
    assert defaults["model"]["hidden"] == "auto"
