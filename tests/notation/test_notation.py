"""How columns are written: the right value of every cell, or a word on why there is none."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_cli.errors import FeatureError
from imbalance_cli.notation import (
    Notation,
    NotationChoice,
    NotationScan,
    NotationSettings,
    apply_notations,
    choose_notations,
)
from imbalance_cli.readers import Table, open_source, read_table, stack_tables
from imbalance_cli.readers.cells import parse_dates
from imbalance_cli.readers.joined import JoinedSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import WriteFile

NUMBERS = [float(n) / 100 for n in range(1_050_00, 9_650_00, 41_321)] + [3.25, 999.5, 12.0]
DAYS = [dt.date(2022, 1, 1) + dt.timedelta(days=11 * i) for i in range(30)]


def choose(*columns: list[str], **settings: object) -> list[NotationChoice | None]:
    """Return what is chosen for columns of one table, in two batches."""
    scans = {}
    for number, cells in enumerate(columns):
        scan = NotationScan(NotationSettings(**settings).missing_of(f"c{number}"))  # type: ignore[arg-type]
        for part in (cells[:7], cells[7:]):
            scan.add(pl.Series(part, dtype=pl.String), lambda row: f"row {row + 1}")
        scans[f"c{number}"] = scan
    chosen = choose_notations(scans, NotationSettings(**settings))  # type: ignore[arg-type]
    return [chosen.get(name) for name in scans]


def read(cells: list[str], **settings: object) -> list[float | None]:
    """Return the values of a column that can be read."""
    (choice,) = choose(cells, **settings)
    assert choice is not None
    assert choice.notation is not None, choice
    values, bad = choice.notation.read(pl.Series(cells))
    assert bad is None
    return values.to_list()


def swap(text: str) -> str:
    """Exchange dots and commas."""
    return text.translate(str.maketrans(".,", ",."))


@pytest.mark.parametrize(
    "write",
    [
        lambda n: swap(f"{n:.2f}"),
        lambda n: f"{n:,.2f}",
        lambda n: swap(f"{n:,.2f}"),
        lambda n: f"{n:,.2f}".replace(",", " "),
        lambda n: f"{n:,.2f}".replace(",", "\u202f").replace(".", ","),
        lambda n: f"{n:,.2f}".replace(",", "'"),
        lambda n: f"${n:,.2f}",
        lambda n: swap(f"{n:,.2f} €"),
        lambda n: f"{n:.2f}%",
        lambda n: f"{n:.2f} mg/dl",
    ],
)
def test_numbers_are_what_was_written(write: Callable[[float], str]) -> None:
    for sign in (1, -1):
        cells = [write(sign * n) for n in NUMBERS]
        assert read(cells) == pytest.approx([sign * n for n in NUMBERS])


@pytest.mark.parametrize(
    "form", ["%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y", "%d-%b-%Y", "%d/%m/%y", "%B %d, %Y"]
)
@pytest.mark.parametrize("clock", ["", " %H:%M", " %H:%M:%S", " %I:%M %p"])
def test_dates_are_what_was_written(form: str, clock: str) -> None:
    moments = [dt.datetime.combine(d, dt.time(3 + i % 15, 30)) for i, d in enumerate(DAYS)]
    if not clock:
        moments = [dt.datetime.combine(moment.date(), dt.time()) for moment in moments]
    cells = [moment.strftime(form + clock) for moment in moments]
    assert read(cells) == moments


def test_a_day_that_may_be_a_month_is_asked_for() -> None:
    cells = [f"{1 + i % 12:02}/{1 + i % 11:02}/2022" for i in range(40)]
    (choice,) = choose(cells)
    assert choice is not None
    assert choice.notation is None
    assert choice.hint == "data.date_format: {c0: ...}, with '%d/%m/%Y' or '%m/%d/%Y'"
    (given_one,) = choose(cells, date_formats={"c0": "%m/%d/%Y"})
    assert given_one == NotationChoice(Notation("date", date_format="%m/%d/%Y"))


def test_a_comma_that_may_be_of_either_kind_is_asked_for_unless_another_column_tells() -> None:
    doubtful = [f"{i},{100 + i}" for i in range(1, 40)]
    (alone,) = choose(doubtful)
    assert alone is not None
    assert alone.notation is None
    assert "decimals or between thousands" in str(alone.problem)
    beside, _ = choose(doubtful, [f"{i / 7:.2f}" for i in range(39)])
    assert beside is not None
    assert beside.notation == Notation("number", ".", ",", "")
    beside, _ = choose(doubtful, [f"{i / 7:.2f}".replace(".", ",") for i in range(39)])
    assert beside is not None
    assert beside.notation == Notation("number", ",", unit="")
    (asked,) = choose(doubtful, decimal=",")
    assert asked is not None
    assert asked.notation == Notation("number", ",", unit="")


def test_dots_between_thousands_are_not_taken_for_decimals_in_silence() -> None:
    cells = [swap(f"{n:,}") for n in range(500, 60_000, 1_001)]
    (choice,) = choose(cells)
    assert choice is not None
    assert choice.notation is None
    assert choice.settings == {}  # a key for the whole file, which may be wrong of the others
    assert read(cells, thousands=".") == list(range(500, 60_000, 1_001))
    assert choose(cells, decimal=".") == [None]
    beside, _ = choose(cells, [f"{i / 7:.2f}".replace(".", ",") for i in range(60)])
    assert beside is not None
    assert beside.notation == Notation("number", ",", ".", "")
    plain, _ = choose(cells, [f"{i / 7:.2f}" for i in range(60)])
    assert plain is None


@pytest.mark.parametrize(
    "cells",
    [
        [f"{n / 7:.3f}" for n in range(7, 300)],  # three decimals in every cell
        [f"{n / 7:.4g}" for n in range(300)],
        ["low", "high"] * 20,
        ["1", "2", "3", "4+"] * 20,  # as good as categories
        [f"PC {n}" if n % 3 else str(n * 17) for n in range(200)],  # tickets
        [f"b{n}" for n in range(100, 160)],
        ["2022-01-01", "2022-02-03"],
        ["12A", "13B", "14A"] * 10,
        ["1,2", "2,3"] * 20,  # lists of codes
    ],
)
def test_what_is_written_as_usual_stays_as_it_was(cells: list[str]) -> None:
    assert choose(cells) == [None]


@pytest.mark.parametrize("word", ["?", "-", "--", ".", "missing"])
def test_words_among_numbers_are_named_and_counted(word: str) -> None:
    cells = [f"{i}.5" for i in range(90)] + [word] * 10
    (choice,) = choose(cells)
    assert choice is not None
    assert choice.notation is None
    assert choice.kind == "number"
    assert choice.problem == f"10 of 100 cells are words among numbers: '{word}' (10)"
    assert choice.settings == {"missing_values": [word]}
    (given_word,) = choose(cells, missing={None: (word,)})
    assert given_word == NotationChoice(Notation(missing=(word,)))
    assert given_word.notation is not None
    values, _ = given_word.notation.read(pl.Series(cells))
    assert values.null_count() == 10


def test_words_among_dates_and_other_notations_are_named() -> None:
    days = [f"2022-03-{1 + i % 28:02}" for i in range(90)]
    (choice,) = choose([*days, *["0000-00-00"] * 10])
    assert choice is not None
    assert choice.settings == {"missing_values": ["0000-00-00"]}
    (choice,) = choose([f"{i}.5" for i in range(90)] + ["0,25"] * 10)
    assert choice is not None
    assert "'0,25'" in str(choice.problem)


@pytest.mark.parametrize("bound", ["<0.05", "> 100", "<=2"])
def test_censored_values_are_called_so(bound: str) -> None:
    (choice,) = choose([f"{i}.5" for i in range(90)] + [bound] * 10)
    assert choice is not None
    assert (
        f"10 of 100 cells are censored, so that only a bound of the value is known: '{bound}' (10)"
        in str(choice.problem)
    )


def test_units_that_differ_are_refused() -> None:
    (choice,) = choose([f"{60 + i / 2} kg" if i % 3 else f"{130 + i} lb" for i in range(90)])
    assert choice is not None
    assert choice.problem == "numbers in different units: 30 in 'lb', 60 in 'kg'"
    (choice,) = choose([f"{60 + i / 2}%" if i % 3 else f"{130 + i}" for i in range(90)])
    assert choice is not None
    assert "30 without a unit" in str(choice.problem)


@pytest.mark.parametrize("word", ["N/A", "#N/A", "<NA>", "None", "NaT", "\\N", "-nan", "+NaN"])
def test_words_of_other_programs_are_missing_numbers(word: str) -> None:
    cells = [f"{i}.5" for i in range(90)] + [word] * 60
    assert choose(cells) == [None]


def test_names_are_the_same_whatever_their_type() -> None:
    notation = Notation("category")
    for column in (
        pl.Series([7, 12, None]),
        pl.Series([7.0, 12.0, None]),
        pl.Series(["7", "12.0", ""]),
    ):
        names, _ = notation.read(column)
        assert names.dtype == pl.Categorical
        assert names.to_list() == ["7", "12", None]


def test_missing_values_hold_for_typed_numbers_too() -> None:
    values, _ = Notation(missing=("-999",)).read(pl.Series([1.5, -999.0]))
    assert values.to_list() == [1.5, None]


def test_a_cell_written_otherwise_is_refused_with_its_place() -> None:
    table = Table("b.csv", pl.DataFrame({"c": ["1,5", "x"]}), lambda row: f"b.csv: line {row + 2}")
    with pytest.raises(FeatureError) as caught:
        apply_notations(table, {"c": Notation("number", ",")})
    assert "b.csv: line 3: column 'c': 'x'" in str(caught.value)


def test_a_number_of_json_needs_no_notation(write: WriteFile) -> None:
    notations = dict.fromkeys(["number", "text"], Notation("number", ",", "."))
    lines = ['{"number": 0.35, "text": "0,35"}', '{"number": 1324, "text": "1.324"}', "{}"]
    source = open_source(write("t.ndjson", "\n".join(lines)))
    tables = [read_table([source], source.columns)] * 2
    frame = apply_notations(stack_tables(tables, "t"), notations).frame
    assert frame["number"].to_list() == [0.35, 1324, None] * 2
    assert frame["text"].to_list() == [0.35, 1324, None] * 2
    beside = JoinedSource(open_source(source.name), open_source(write("y.csv", "y\n1\n0\n1\n")))
    joined = apply_notations(read_table([beside], ["number", "y"]), notations).frame
    assert joined["number"].to_list() == [0.35, 1324, None]
    mixed = open_source(write("u.ndjson", '{"number": 0.35}\n{"number": "0,35"}'))
    with pytest.raises(FeatureError, match=r"line 1: column 'number': '0\.35' is not a number"):
        apply_notations(read_table([mixed], ["number"]), notations)


@given(st.lists(st.floats(-1e6, 1e6).map(lambda n: round(n, 2)), min_size=30, unique=True))
def test_thousands_of_any_numbers(numbers: list[float]) -> None:
    cells = [f"{n:,.2f}" for n in numbers]
    (choice,) = choose(cells)
    if choice is None:  # none of them has thousands
        assert all("," not in cell for cell in cells)
        return
    assert choice.notation is not None
    values, _ = choice.notation.read(pl.Series(cells))
    np.testing.assert_allclose(values.to_numpy(), numbers)


@pytest.mark.parametrize(
    ("notation", "right", "wrong"),
    [
        (Notation("number", ",", "."), {"1.324,5": 1324.5, "0,35": 0.35, "12": 12.0}, "0.35"),
        (Notation("number", ",", "."), {"1.324": 1324.0}, "1.32"),
        (Notation("number", ","), {"0,35": 0.35, "12": 12.0, "1,5e-2": 0.015}, "0.35"),
        (Notation("number", ".", ","), {"1,324.5": 1324.5, "0.35": 0.35}, "0,35"),
        (Notation("number", ".", ","), {"5,11,025": 511025.0, "1,324": 1324.0}, "13,24"),
        (Notation("number", ".", " "), {"1 324": 1324.0, "1324": 1324.0}, "13 24"),
        (
            Notation("number"),
            {"(1.5)": -1.5, "1.5-": -1.5, "\u22121.5": -1.5, "36.6%": 36.6},
            "1-5",
        ),
    ],
)
def test_a_served_cell_is_held_against_the_notation(
    notation: Notation, right: dict[str, float], wrong: str
) -> None:
    values, bad = notation.read(pl.Series([*right, "N/A", None]))
    assert values.to_list() == [*right.values(), None, None]
    assert bad is None
    assert notation.read(pl.Series([*right, wrong, "x"]))[1] == len(right)


def test_iso_dates_among_others_are_read_and_years_have_four_digits() -> None:
    notation = Notation("date", date_format="%d/%m/%Y")
    values, bad = notation.read(pl.Series(["31/12/2022", "2023-01-02", "2023-01-02 06:00", "NaT"]))
    days = [dt.datetime(2022, 12, 31), dt.datetime(2023, 1, 2), dt.datetime(2023, 1, 2, 6), None]  # noqa: DTZ001  of no zone
    assert values.to_list() == days
    assert bad is None
    assert notation.read(pl.Series(["31/12/2022", "31/12/22"]))[1] == 1
    assert parse_dates(pl.Series(["2022-10-03", "2-10-03"])).bad_row == 1
    assert parse_dates(pl.Series(["0001-01-01"])).bad_row is None


def list_days(form: str, start: int = 0) -> list[str]:
    """Return 30 days as texts."""
    return [f"{day:{form}}" for day in DAYS[start:]]


@pytest.mark.parametrize(
    "form",
    ["%A, %d %B %Y", "%a, %d %b %Y", "%a %b %d 06:00:00 %Y", "%m/%d/%Y, 06:00:00 AM", "%d.%m.%Y"],
)
def test_dates_as_they_are_met(form: str) -> None:
    hours = 6 * form.count("06:00")
    values = read(list_days(form) + list_days("%Y-%m-%d"))  # with ISO dates among them
    wanted = [dt.datetime.combine(day, dt.time(hours)) for day in DAYS]
    assert values == [*wanted, *(dt.datetime.combine(day, dt.time()) for day in DAYS)]


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (["1.25", "3,5"] * 5 + [f"{n},5" for n in range(40)], "'3,5', '1.25'"),
        (["1.25", "3,5"] * 50 + [f"{n}.5" for n in range(40)], "written in several ways"),
        (list_days("%d.%m.%Y") + list_days("%d %b %Y"), "'23.01.2022', '01 Jan 2022'"),
        (list_days("%d/%m/%Y") + list_days("%m/%d/%Y", 20), "'23/01/2022', '08/20/2022'"),
        (
            [f"1:{n}" for n in range(30)],
            "cells such as '1:0' are neither numbers nor dates",
        ),
        ([f"{n}/80" for n in range(100, 130)], "such as '100/80'"),
        ([f"{n // 60:02}:{n % 60:02}" for n in range(0, 1400, 41)], "such as '00:00'"),
        ([f"{n}. März 2022" for n in range(1, 29)], "such as '1. März 2022'"),
        ([f"06:00 PM {n}/01/2022" for n in range(1, 29)], "such as '06:00 PM 1/01/2022'"),
        (["unknown"] * 70 + [f"{n / 7:.2f}" for n in range(30)], "70 of 100 cells are words among"),
        (["never"] * 70 + list_days("%Y-%m-%d"), "70 of 100 cells are words among dates"),
    ],
)
def test_what_is_written_in_no_one_way_is_refused(cells: list[str], says: str) -> None:
    (choice,) = choose(cells)
    assert choice is not None
    assert choice.notation is None
    assert says in str(choice.problem)
    assert choice.hint


def test_codes_among_numbers_are_names_rather_than_missing() -> None:
    (choice,) = choose([*map(str, range(250, 350)), "V45", "E849"])
    assert choice is not None
    assert "'V45' (1), 'E849' (1)" in str(choice.problem)
    assert choice.settings == {"categories": ["c0"]}


def test_all_censored_values_are_named_while_they_are_few() -> None:
    numbers = [f"{n / 7:.2f}" for n in range(60)]
    (few,) = choose([*numbers, "<0.05", "<0.1", "<0.1", "hemolysed"])
    assert few is not None
    assert "3 of 64 cells are censored" in str(few.problem)
    assert "'<0.05' (1), '<0.1' (2), and 1 words: 'hemolysed' (1)" in str(few.problem)
    assert few.settings == {"missing_values": ["<0.05", "<0.1", "hemolysed"]}
    (many,) = choose([*numbers, *(f">{n}" for n in range(20))])
    assert many is not None
    assert many.settings == {}
    assert "missing_values" not in str(many.hint)


def test_another_unit_is_refused_where_a_run_is_served() -> None:
    for write, other in (("{} kg", "5 lb"), ("{}%", "0.5"), ("${}", "\u20ac5"), ("{} mg/dl", "5")):
        cells = [write.format(f"{n / 7:.2f}") for n in range(60)]
        (choice,) = choose(cells)
        assert choice is not None
        assert choice.notation is not None
        assert choice.notation.read(pl.Series(cells))[1] is None
        assert choice.notation.read(pl.Series([*cells, other]))[1] == len(cells)


def test_a_key_for_the_file_changes_no_column_that_does_not_show_it() -> None:
    umsatz = [f"{n:,.2f}".translate(str.maketrans(".,", ",.")) for n in range(1000, 90000, 1777)]
    z = [f"{n / 7:.3f}".replace(".", ",") for n in range(60)]
    for settings in ({}, {"decimal": ",", "thousands": "."}):
        chosen = choose(umsatz, z, **settings)
        notations = [choice.notation for choice in chosen if choice is not None]
        assert [n.thousands for n in notations if n is not None] == [".", ""]
    (few,) = choose(["5 mg", "10 mg", "1 g"] * 40, thousands=",")
    assert few is None  # three categories


def test_one_reading_is_taken() -> None:
    assert read([f"{n / 70:.3f}".replace(".", ",") for n in range(60)])[0] == 0.0  # 0,126 is no 126
    n, f = choose(
        [f"{n:,}" for n in range(1000, 90000, 777)], [f"{n:,.2f}" for n in range(1000, 1100)]
    )
    assert n is not None
    assert f is not None
    assert (n.notation, f.notation) == (f.notation, Notation("number", ".", ",", ""))
    comma = [f"{n / 7:.2f}".replace(".", ",") for n in range(60)]
    version = [f"1.{n}" for n in range(45)]
    unsure = [f"{n / 7:.3f}".replace(".", ",") for n in range(700, 760)]
    assert choose(comma, comma, version, unsure)[3].notation == Notation("number", ",", unit="")  # type: ignore[union-attr]
    assert choose(comma, version, unsure)[2].notation is None  # type: ignore[union-attr]


def test_what_numbers_lose_is_said() -> None:
    (zip_code,) = choose([f"{n:05}" for n in range(1208, 1308)])
    assert zip_code is not None
    assert "'01208' loses its leading zero" in str(zip_code.note)
    (day,) = choose([f"{day:%Y%m%d}" for day in DAYS])
    assert day is not None
    assert day.settings == {"date_format": {"c0": "%Y%m%d"}}
    assert choose(["0.5", "0", "10"] * 20) == [None]


@pytest.mark.parametrize("form", ["%d/%b/%Y:06:26:00 +0100", "%a, %d %b %Y 06:26:00 +0100"])
def test_offsets_lead_to_utc(form: str) -> None:
    moments = [dt.datetime.combine(day, dt.time(5, 26)) for day in DAYS]
    assert read(list_days(form)) == moments


def test_words_that_are_many_are_not_chosen_to_be_missing() -> None:
    numbers = [f"{n / 7:.2f}" for n in range(60)]
    (many,) = choose([*numbers, *["low", "high"] * 20])
    assert many is not None
    assert many.settings == {}
    assert "data.missing_values: [low, high]" in str(many.hint)
    (marks,) = choose([*numbers, *["?"] * 90])
    assert marks is not None
    assert marks.settings == {"missing_values": ["?"]}


@pytest.mark.parametrize("cell", ["{}.5 \u00b1 0.1", "{}x17", "1.67x10^{}", "{} +/- 2"])
def test_two_numbers_in_a_cell_are_none(cell: str) -> None:
    (choice,) = choose([cell.format(n) for n in range(60)])
    assert choice is not None
    assert "neither numbers nor dates" in str(choice.problem)
