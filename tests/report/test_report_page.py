"""report.html as text: what it holds, what it allows, and what it escapes."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import re
from typing import TYPE_CHECKING, Any

import pytest
import torch
from report_data import NASTY, change_label, make_report
from scipy import stats

from imbalance_cli.evaluation import ALIKE, Estimate
from imbalance_cli.metrics import METRIC_SPECS
from imbalance_cli.report import documents
from imbalance_cli.report.ordering import keep_judged
from imbalance_cli.report.plots import draw_plots
from imbalance_cli.report.run_page import to_html
from imbalance_cli.report.summary import list_key_numbers, write_lead, write_table_note
from imbalance_cli.report.wording import (
    MULTILABEL_WORDS,
    show_interval,
    show_number,
    show_share,
)

if TYPE_CHECKING:
    from imbalance_cli.report.contents import RunReport

LABELS = [f"label_{i}" for i in range(6)]
REPORT = make_report(LABELS)
PAGE = to_html(REPORT).decode()


def text_of(page: str) -> str:
    """Return what a reader sees, on one line."""
    body = page[page.index("<body>") : page.index("<script>")]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_policy_lets_in_one_style_and_one_script_and_nothing_else() -> None:
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', PAGE)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == "'none'"
    for kind in ("style", "script"):
        [content] = re.findall(f"<{kind}>(.*?)</{kind}>", PAGE, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules.pop(f"{kind}-src") == f"'sha256-{digest}'"
    assert rules == {"img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}


def test_page_names_nothing_outside_itself() -> None:
    without_namespace = PAGE.replace("http://www.w3.org/2000/svg", "")
    assert "http:" not in without_namespace
    assert "https:" not in without_namespace
    assert set(re.findall(r'href="([^"#][^"]*)"', PAGE)) == {"data:,"}
    assert " src=" not in PAGE
    assert " style=" not in PAGE
    assert "@import" not in PAGE


def test_page_says_what_was_found_and_where_it_comes_from() -> None:
    text = text_of(PAGE)
    for said in (
        "6 labels of made_up.csv",
        "of 6 labels are better than chance: the interval of their average precision lies above",
        "400 test rows of made_up.csv",
        "Found <b>nothing</b> & no one.",
        "a likely leak: <i>x</i>",
        "Intervals are 95 %, over 20 bootstrap replicates",
        "train 100, valid 20",
        "3 columns: numbers 1, dates 1, categories 1",
        "constant in the training rows: constant",
        "Loss weighted_bce, weights by the strategy ratio",
        "Platt: 0.90 u -0.20",
        "Thresholds were chosen for F1.",
        "Of epochs 1 to 3 of one network, the weights of epoch 2 were kept",
        "training loss 0.5, validation calibrated log loss 0.6.",
        "imbtrain 0.1.0",
        "recipe: tabular",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"fitted": False}, "inverse link alone"),
        ({"slope": 0.5, "intercept": 0.0}, "temperature: 0.50 u"),
        (
            {"curvature": -0.012, "low": -7.03, "high": 2.55},
            "quadratic: -0.012 u² +0.90 u -0.20, for u from -7.0 to 2.5",
        ),
    ],
)
def test_page_writes_the_step_of_a_label_out(step: dict[str, Any], said: str) -> None:
    report = make_report(LABELS[:1])
    report.document["labels"][0]["calibration"] |= step
    assert said in text_of(to_html(report).decode())


def test_without_an_interval_nothing_is_said_to_be_better_or_worse_than_chance() -> None:
    lacking = text_of(to_html(make_report(LABELS, groups=torch.arange(400) % 4)).decode())
    assert (
        "Whether labels are better than chance cannot be told: no average precision has an "
        "interval (fewer than 5 groups of a class). The best is"
    ) in lacking
    assert "There are no intervals: fewer than 5 groups of a class." in lacking
    assert "Intervals are" not in lacking
    assert "lines its 95 % interval" not in lacking
    assert "<small>0." not in lacking
    assert "of 6 labels are better" not in lacking
    assert "lines its 95 % interval" in PAGE
    enough = text_of(to_html(make_report(LABELS, groups=torch.arange(400) % 40)).decode())
    assert "20 bootstrap replicates of these groups;" in enough


def test_a_lone_positive_makes_no_label_the_best() -> None:
    nothing, *others = REPORT.evaluation.labels
    few = {"average_precision": "fewer than 5 rows of a class"}
    lone = change_label(nothing, average_precision=Estimate(1.0), without_interval=few)
    evaluation = dataclasses.replace(REPORT.evaluation, labels=[lone, *others])
    best = max(others, key=lambda label: label.average_precision.value or 0.0)
    lead = write_lead(evaluation)
    assert f"The best is {best.label}, with" in lead
    assert "(Bonferroni); 1 has no interval." in lead
    alike = dataclasses.replace(lone, without_interval={"average_precision": ALIKE})
    assert "The best is label_0, with" in write_lead(
        dataclasses.replace(evaluation, labels=[alike, *others])
    )
    assert keep_judged([lone], "average_precision") == [lone]


def test_every_interval_there_is_stands_on_the_page() -> None:
    evaluation = REPORT.evaluation
    averages = re.findall(r'<tr><th scope="row">([a-z ]+)</th>(.*?)</tr>', PAGE, flags=re.DOTALL)
    known = {
        "macro": evaluation.macro_intervals,
        "micro": evaluation.micro_intervals,
        "weighted by positives": evaluation.weighted_intervals,
    }
    rows = dict(averages)
    for name, intervals in known.items():
        assert len(intervals) > 10
        for interval in intervals.values():
            assert f"<small>{show_interval(interval.low, interval.high)}</small>" in rows[name]
    notes = {number.name: number.note for number in list_key_numbers(evaluation)}
    for name, interval in (
        ("Micro F1", evaluation.micro_intervals["f1"]),
        ("Samples F1", evaluation.multilabel_intervals["samples_f1"]),
        ("Subset accuracy", evaluation.multilabel_intervals["subset_accuracy"]),
    ):
        assert notes[name].startswith(show_interval(interval.low, interval.high))
    single = make_report(["alone"]).evaluation
    notes = {number.name: number.note for number in list_key_numbers(single)}
    recall = single.labels[0].recall
    assert notes["Recall"].startswith(show_interval(recall.low, recall.high))


def test_means_over_fewer_labels_say_over_how_many() -> None:
    means = {**REPORT.evaluation.macro_labels, "precision": 4, "mcc": 4, "f2": 0}
    note = write_table_note(dataclasses.replace(REPORT.evaluation, macro_labels=means))
    assert "a metric is defined, 6 for AP, 4 for Precision and MCC. Precision at" in note


@pytest.mark.parametrize(
    ("strategy", "shown"),
    [("stratified", "stratified; valid 0.15, test 0.15 of the rows; seed 0"), ("given", "given")],
)
def test_page_says_how_the_rows_were_cut(strategy: str, shown: str) -> None:
    document = dict(REPORT.document)
    document["data"] = {**document["data"], "split": strategy}
    text = text_of(to_html(dataclasses.replace(REPORT, document=document)).decode())
    assert f"Split {shown} Features" in text


def test_metrics_of_whole_rows_say_what_a_row_without_a_positive_counts_as() -> None:
    text = text_of(PAGE)
    assert "a row without a positive counts as 1, as in scikit-learn" in text
    assert "a row without a positive counts as 0, as in scikit-learn" in text


def test_table_holds_every_metric_of_every_label() -> None:
    rows = re.findall(r"\n<tr[^>]*><th scope=\"row\"[^\n]*", PAGE)
    assert len(rows) == len(LABELS)
    by_name = {label.label: label for label in REPORT.evaluation.labels}
    for row in rows:
        name, *cells = (
            " ".join(re.sub(r"<[^>]+>", " ", cell).split()).replace("label_ ", "label_")
            for cell in re.split(r"<td[^>]*>", row)
        )
        label = by_name[name]
        shown = [cell.split(" ")[0] for cell in cells]
        for metric in METRIC_SPECS:
            estimate = getattr(label, metric)
            assert show_number(estimate.value, estimate) in shown
        assert show_share(label.prevalence) in cells


@pytest.mark.parametrize(
    ("value", "low", "high", "number", "interval"),
    [
        (19.799, 17.03, 23.01, "19.8", "17.0\N{EN DASH}23.0"),
        (0.7533, 0.6932, 0.8049, "0.75", "0.69\N{EN DASH}0.80"),
        (0.0211, 0.0172, 0.0258, "0.021", "0.017\N{EN DASH}0.026"),
        (0.9, 0.1, 1.0, "0.90", "0.10\N{EN DASH}1.00"),
        (120.0, 80.0, 170.0, "120", "80\N{EN DASH}170"),
        (1.0, 1.0, 1.0, "1.000", "1.000\N{EN DASH}1.000"),
        (19.799, None, None, "19.799", ""),
    ],
)
def test_a_number_has_as_many_digits_as_its_interval_deserves(
    value: float, low: float | None, high: float | None, number: str, interval: str
) -> None:
    assert show_number(value, Estimate(value, low, high)) == number
    assert show_interval(low, high) == interval


def test_every_metric_has_its_words() -> None:
    assert set(MULTILABEL_WORDS) == set(REPORT.evaluation.multilabel)


def test_one_label_has_a_list_of_its_metrics_instead() -> None:
    page = to_html(make_report(["alone"], rows=60)).decode()
    text = text_of(page)
    assert 'id="table"' not in page
    for short in (spec.heading for spec in METRIC_SPECS.values()):
        assert short in text
    assert "undefined here: fewer than 100 rows" in text
    label = make_report(["alone"], rows=60).evaluation.labels[0]
    assert f"of the {label.positives} positives, and" in text
    assert "of the rows it decides positive are positive." in text
    assert page.index('id="figures"') < page.index('id="labels"')


def test_what_is_undefined_is_a_dash_that_says_why() -> None:
    page = to_html(make_report(LABELS, rows=60)).decode()
    assert '<abbr title="fewer than 100 rows">\N{EN DASH}</abbr>' in page


@pytest.mark.parametrize(
    ("part", "says"),
    [("valid", "these are the validation rows"), ("out_of_fold", "held out of each fold in turn")],
)
def test_rows_that_flatter_are_told(part: str, says: str) -> None:
    evaluation = dataclasses.replace(REPORT.evaluation, part=part)
    text = text_of(to_html(dataclasses.replace(REPORT, evaluation=evaluation)).decode())
    assert says in text
    assert "flatter the model" in text


def test_no_intervals_no_history_no_data_leave_no_gap() -> None:
    report = dataclasses.replace(
        make_report(LABELS, replicates=0),
        training=[],
        document=dict(REPORT.document) | {"data": None},
        findings=[],
    )
    page = to_html(report).decode()
    assert 'id="training"' not in page
    assert "Intervals are" not in page
    assert "None" not in text_of(page).replace("None:", "")
    assert text_of(page).count("Sources made_up.csv") == 1


def test_labels_that_were_not_learned_are_named() -> None:
    nothing: dict[str, Any] = dict.fromkeys(METRIC_SPECS, Estimate(None))
    first, *others = REPORT.evaluation.labels
    first = change_label(first, learnable=False, threshold=None, **nothing)
    evaluation = dataclasses.replace(REPORT.evaluation, labels=[first, *others])
    report = dataclasses.replace(REPORT, evaluation=evaluation, curves=REPORT.curves[1:])
    text = text_of(to_html(report).decode())
    assert "Not drawn, since training had one class of them only: label_0." in text


def test_rows_without_both_classes_say_what_is_left_out() -> None:
    _, second, third, *_ = REPORT.curves
    none = dataclasses.replace(second, positives=0, precision_recall=None, roc=None)
    unknown = dataclasses.replace(third, rows=0, positives=0, after=(), histogram=None)
    report = dataclasses.replace(REPORT, curves=[REPORT.curves[0], none, unknown])
    text = text_of(to_html(report).decode())
    assert "These rows have no positives: the curves that need both classes are left out." in text
    assert "No row has a known target: there is nothing to draw." in text


def test_lead_says_when_nothing_can_be_said() -> None:
    nothing: dict[str, Any] = dict.fromkeys(METRIC_SPECS, Estimate(None))
    nothing["undefined"] = dict.fromkeys(METRIC_SPECS, "no positives")

    def lead(report: RunReport, changes: dict[str, Any]) -> str:
        labels = [change_label(label, **changes) for label in report.evaluation.labels]
        evaluation = dataclasses.replace(report.evaluation, labels=labels)
        return text_of(to_html(dataclasses.replace(report, evaluation=evaluation)).decode())

    alone = make_report(["alone"], rows=60)
    assert "Nothing can be said of the model on these rows: no positives." in lead(alone, nothing)
    assert "No row is decided positive." in lead(alone, {"precision": Estimate(None)})
    assert "No label has a positive among these rows" in lead(REPORT, nothing)


def test_names_are_escaped_wherever_they_stand() -> None:
    page = to_html(make_report(NASTY, drawn=len(NASTY))).decode()
    assert page.count("<script") == 1
    body = page[page.index("<body>") : page.rindex("<script>")]
    assert "document.title = &#39;run&#39;" in body
    assert "<script>document" not in body


def test_half_of_a_surrogate_pair_is_no_fault() -> None:
    assert to_html(make_report(["half \ud83d of a pair", "b"]))


def test_an_evaluation_is_read_back_from_its_document() -> None:
    again = documents.from_json(documents.to_json(REPORT.evaluation, "runs/x"))
    assert again == REPORT.evaluation


def test_plots_have_svg_and_png_of_every_figure_under_names_that_files_can_have() -> None:
    files = dict(draw_plots(make_report(NASTY, drawn=2)))
    stems = {name.rpartition(".")[0] for name in files}
    assert {f"{stem}.{suffix}" for stem in stems for suffix in ("svg", "png")} == set(files)
    assert {
        "labels",
        "labels_roc_auc",
        "labels_f1",
        "training_loss",
        "validation",
        "together",
    } < stems
    assert len(stems) == 6 + 2 * 7
    for name, content in files.items():
        assert re.fullmatch(r"[\w.-]{1,80}", name, flags=re.ASCII)
        assert content.startswith(b"<svg" if name.endswith(".svg") else b"\x89PNG")


def test_order_of_the_table_is_commonest_first() -> None:
    names = re.findall(r'<th scope="row" class="short"><a href="#label-\d+">label_<wbr>(\d)', PAGE)
    shares = {label.label[-1]: label.prevalence for label in REPORT.evaluation.labels}
    falling = [-(shares[name] or 0.0) for name in names]
    assert stats.spearmanr(falling, range(len(names))).statistic == pytest.approx(1.0)
