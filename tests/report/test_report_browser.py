"""report.html in a real browser: it renders, sorts, filters, and passes an accessibility check."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from report_data import (
    NASTY,
    make_report,
    make_runs_report,
    open_browser,
    open_page,
    set_screen,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from imbalance_cli.errors import escape_name
from imbalance_cli.report import comparison_page
from imbalance_cli.report.run_page import to_html

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement
    from small_runs import FittedRun

MANY = 320  # labels, more than are shown at once


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    """Start one browser for all tests."""
    with open_browser() as chrome:
        yield chrome


@pytest.fixture
def browser(chrome: Chrome) -> Chrome:
    """Return it with a screen of a desk's width and light paper."""
    set_screen(chrome)
    return chrome


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page of labels with names that break what does not escape them."""
    path = tmp_path_factory.mktemp("nasty") / "report.html"
    path.write_bytes(to_html(make_report(NASTY)))
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page of six labels."""
    path = tmp_path_factory.mktemp("plain") / "report.html"
    path.write_bytes(to_html(make_report([f"label_{i}" for i in "abcdef"])))
    return path


@pytest.fixture(scope="module")
def side_by_side(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page of three runs with six labels."""
    path = tmp_path_factory.mktemp("runs") / "comparison.html"
    report = make_runs_report([f"label_{i}" for i in "abcdef"], runs=3)
    path.write_bytes(comparison_page.to_html(report))
    return path


@pytest.fixture(scope="module")
def nasty_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page of two runs with labels whose names break what does not escape them."""
    path = tmp_path_factory.mktemp("nasty_runs") / "comparison.html"
    path.write_bytes(comparison_page.to_html(make_runs_report(NASTY)))
    return path


def column(browser: Chrome, number: int) -> list[str]:
    """Return the texts of a column of the table of labels, without the intervals in it."""
    script = """
        return [...document.querySelectorAll('#table tbody tr')].map((row) => {
          const cell = row.cells[arguments[0]].cloneNode(true);
          cell.querySelectorAll('small').forEach((small) => small.remove());
          return cell.textContent;
        });"""
    texts: list[str] = browser.execute_script(script, number)
    return texts


def head(browser: Chrome, name: str) -> WebElement:
    """Return the button in the head of a column."""
    return browser.find_element(By.XPATH, f"//table[@id='table']/thead//button[text()='{name}']")


def check_logs(browser: Chrome, page: Path) -> None:
    """Hold the page to an empty console and to no request but itself."""
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    requested = []
    for entry in browser.get_log("performance"):  # type: ignore[no-untyped-call]
        message = json.loads(entry["message"])["message"]
        if message["method"] in {"Network.requestWillBeSent", "Network.webSocketCreated"}:
            requested.append(message["params"].get("request", message["params"])["url"])
    assert page.absolute().as_uri() in requested
    assert [url for url in requested if not url.startswith("data:")] == [page.absolute().as_uri()]


def run_axe(browser: Chrome) -> list[dict[str, Any]]:
    """Return what axe-core finds wrong, in every rule it has."""
    browser.execute_script(resources.files("axe_core_python").joinpath("axe.min.js").read_text())
    found: dict[str, Any] = browser.execute_async_script(
        "axe.run(document, {resultTypes: ['violations']}).then(arguments[0])"
    )
    return [
        {"rule": violation["id"], "where": [node["html"][:200] for node in violation["nodes"]]}
        for violation in found["violations"]
    ]


@pytest.mark.parametrize("kind", ["single_run", "multi_run"])
def test_page_of_a_run_shows_all_its_parts(
    browser: Chrome, kind: str, request: pytest.FixtureRequest
) -> None:
    run: FittedRun = request.getfixturevalue(kind)
    page = run.path / "report.html"
    open_page(browser, page)
    sections = {
        element.get_attribute("id") for element in browser.find_elements(By.TAG_NAME, "section")
    }
    wanted = {"summary", "labels", "figures", "training", "data", "weights", "use", "config"}
    assert sections == wanted | ({"together"} if kind == "multi_run" else set())
    drawn = browser.find_elements(By.CSS_SELECTOR, "details.label")
    assert len(drawn) == (3 if kind == "multi_run" else 1)
    for label in drawn:
        figures = label.find_elements(By.CSS_SELECTOR, "svg.figure")
        assert len(figures) == 7
        for figure in figures:
            assert figure.size["width"] > 200
            assert figure.size["height"] > 150
    links = [link.get_attribute("href") for link in browser.find_elements(By.CSS_SELECTOR, "nav a")]
    assert [str(link).partition("#")[2] for link in links] == [
        element.get_attribute("id") for element in browser.find_elements(By.TAG_NAME, "section")
    ]
    check_logs(browser, page)


def test_head_of_a_column_sorts_both_ways_and_undefined_last(browser: Chrome, plain: Path) -> None:
    open_page(browser, plain)
    assert head(browser, "AP").find_element(By.XPATH, "..").get_attribute("aria-sort") == "none"
    head(browser, "AP").click()
    falling = [float(text) for text in column(browser, 2)]
    assert falling == sorted(falling, reverse=True)
    assert len(set(falling)) > 1
    sorted_head = head(browser, "AP").find_element(By.XPATH, "..")
    assert sorted_head.get_attribute("aria-sort") == "descending"
    head(browser, "AP").click()
    assert [float(text) for text in column(browser, 2)] == falling[::-1]
    head(browser, "Label").click()
    assert column(browser, 0) == [f"label_{i}" for i in "abcdef"]
    assert sorted_head.get_attribute("aria-sort") == "none"
    browser.execute_script(
        "document.querySelector('#table tbody tr:nth-child(3)').cells[2].textContent = '\u2013'"
    )
    for _ in range(2):
        head(browser, "AP").click()
        assert column(browser, 2)[-1] == "\u2013"
    check_logs(browser, plain)


def test_every_column_sorts_by_its_numbers(browser: Chrome, plain: Path) -> None:
    open_page(browser, plain)
    browser.find_element(By.ID, "wide").click()
    heads = browser.find_elements(By.CSS_SELECTOR, "#table thead th")
    names = [element.text for element in heads]
    assert len(names) == 23
    for number in range(1, len(names)):
        heads[number].find_element(By.TAG_NAME, "button").click()
        if names[number] == "Against chance":
            continue
        values = [text.split("\u2013")[0] for text in column(browser, number)]  # low of interval
        leading = [float(value.replace(",", "").replace(" %", "")) for value in values if value]
        assert leading == sorted(leading, reverse=True), names[number]
    check_logs(browser, plain)


def test_filter_finds_parts_of_names_and_says_how_many(browser: Chrome, plain: Path) -> None:
    open_page(browser, plain)
    count = browser.find_element(By.ID, "count")
    assert count.text == "6 labels"
    box = browser.find_element(By.ID, "filter")
    box.send_keys("EL_C")
    assert column(browser, 0) == ["label_c"]
    assert count.text == "1 of 6 labels"
    box.clear()
    box.send_keys("no such label")
    assert column(browser, 0) == []
    assert count.text == "0 of 6 labels"
    box.clear()
    browser.find_element(By.ID, "only").click()
    weak = column(browser, 0)
    assert 0 < len(weak) < 6
    assert "label_a" not in weak
    check_logs(browser, plain)


def test_keyboard_alone_sorts_filters_and_unfolds(browser: Chrome, plain: Path) -> None:
    open_page(browser, plain)
    reached = []
    for _ in range(80):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        here = browser.switch_to.active_element
        reached.append(here.get_attribute("id") or here.text or here.tag_name)
        if here.tag_name == "button" and here.text == "F1":
            here.send_keys(Keys.ENTER)
            falling = [float(text) for text in column(browser, 6)]
            assert falling == sorted(falling, reverse=True)
        if here.get_attribute("id") == "filter":
            here.send_keys("label_b")
            assert column(browser, 0) == ["label_b"]
            here.send_keys(Keys.CONTROL, "a")
            here.send_keys(Keys.BACKSPACE)
        if here.tag_name == "summary" and here.text.startswith("label_c"):
            here.send_keys(Keys.ENTER)
            break
    labels = browser.find_elements(By.CSS_SELECTOR, "details.label")
    assert [label.get_attribute("open") is not None for label in labels] == [
        True, False, True, False, False, False,
    ]  # fmt: skip
    assert reached[0] == "Skip to the report"
    assert {"theme", "filter", "only", "wide", "open-all", "F1"} <= set(reached)
    check_logs(browser, plain)


def test_link_of_a_label_unfolds_its_figures(browser: Chrome, plain: Path) -> None:
    open_page(browser, plain)
    browser.find_element(By.LINK_TEXT, "label_d").click()
    [target] = browser.find_elements(By.CSS_SELECTOR, "details.label:target")
    assert target.get_attribute("open") is not None
    browser.find_element(By.ID, "open-all").click()
    opened = browser.find_elements(By.CSS_SELECTOR, "details.label[open]")
    assert len(opened) == 6
    browser.find_element(By.ID, "open-all").click()
    assert browser.find_elements(By.CSS_SELECTOR, "details.label[open]") == []


def test_names_of_labels_stay_text(browser: Chrome, nasty: Path) -> None:
    open_page(browser, nasty)
    assert browser.title != "run"
    names = column(browser, 0)
    assert sorted(names) == sorted(map(escape_name, NASTY))
    assert browser.find_elements(By.CSS_SELECTOR, "#summary b, #summary i") == []
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 1
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= 1280
    check_logs(browser, nasty)


def test_many_labels_are_paged_and_all_are_found(browser: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    labels = [f"tag_{i:04}" for i in range(MANY)]
    page.write_bytes(to_html(make_report(labels, rows=60, replicates=3)))
    open_page(browser, page)
    assert len(column(browser, 0)) == 100
    head(browser, "Label").click()
    assert column(browser, 0) == labels[:100]
    browser.find_element(By.ID, "next").click()
    assert column(browser, 0) == labels[100:200]
    browser.find_element(By.ID, "back").click()
    assert browser.find_element(By.ID, "page").text == "1 to 100"
    assert not browser.find_element(By.ID, "back").is_enabled()
    browser.find_element(By.ID, "filter").send_keys("tag_0319")
    assert column(browser, 0) == ["tag_0319"]
    assert not browser.find_element(By.ID, "pages").is_displayed()
    check_logs(browser, page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
def test_accessibility_check_finds_nothing(
    browser: Chrome,
    plain: Path,
    nasty: Path,
    single_run: FittedRun,
    side_by_side: Path,
    nasty_runs: Path,
    *,
    dark: bool,
    width: int,
) -> None:
    pages = (plain, nasty, single_run.path / "report.html", side_by_side, nasty_runs)
    set_screen(browser, width=width, dark=dark)
    for page in pages:
        open_page(browser, page)
        browser.execute_script(
            "document.querySelectorAll('details').forEach((label) => { label.open = true; })"
        )
        assert run_axe(browser) == []
        scroll = browser.execute_script("return document.documentElement.scrollWidth")
        assert scroll <= width  # only tables scroll sideways, by themselves


def test_paper_follows_the_system_until_it_is_chosen(browser: Chrome, plain: Path) -> None:
    def paper(chrome: Chrome) -> str:
        return str(
            chrome.find_element(By.TAG_NAME, "html").value_of_css_property("background-color")
        )

    open_page(browser, plain)
    light = paper(browser)
    with open_browser() as other:
        set_screen(other, dark=True)
        open_page(other, plain)
        dark = paper(other)
        assert dark != light
        button = other.find_element(By.ID, "theme")
        assert button.text == "Light"
        button.click()
        assert paper(other) == light
        assert button.text == "Dark"
        other.refresh()
        assert paper(other) == light
        other.find_element(By.ID, "theme").click()
        assert paper(other) == dark


# -------------------------------------------------------------------------- several runs


def test_page_of_several_runs_shows_all_its_parts(browser: Chrome, side_by_side: Path) -> None:
    open_page(browser, side_by_side)
    sections = [element.get_attribute("id") for element in sections_of(browser)]
    assert sections == ["summary", "settings", "averages", "labels", "figures", "config"]
    links = [link.get_attribute("href") for link in browser.find_elements(By.CSS_SELECTOR, "nav a")]
    assert [str(link).partition("#")[2] for link in links] == sections
    drawn = browser.find_elements(By.CSS_SELECTOR, "details.label")
    assert len(drawn) == 4
    browser.find_element(By.ID, "open-all").click()
    for label in drawn:
        figures = label.find_elements(By.CSS_SELECTOR, "svg.figure")
        assert len(figures) == 3
        assert all(figure.size["width"] > 200 for figure in figures)
    # three runs and seven metrics, macro and micro of each drawn but for the first run
    assert len(browser.find_elements(By.CSS_SELECTOR, "#averages svg.bar")) == 7 * 2 * 2
    check_logs(browser, side_by_side)


def sections_of(browser: Chrome) -> list[WebElement]:
    """Return the sections of a page."""
    return browser.find_elements(By.TAG_NAME, "section")


def shown_heads(browser: Chrome) -> list[str]:
    """Return the heads of the columns that can be seen."""
    heads = browser.find_elements(By.CSS_SELECTOR, "#table thead th")
    return [element.text for element in heads if element.is_displayed()]


def test_one_metric_of_the_runs_is_shown_at_a_time(browser: Chrome, side_by_side: Path) -> None:
    open_page(browser, side_by_side)
    names = ["run <0>", "run <1>", "run <2>"]
    ways = [f"{name}: {way}" for name in names[1:] for way in ("difference", "against 0")]
    assert shown_heads(browser) == ["Label", "Positives", *names, *ways]
    ap = browser.find_element(By.CSS_SELECTOR, "#table tbody td.average_precision")
    assert ap.is_displayed()
    Select(browser.find_element(By.ID, "metric")).select_by_visible_text("Log loss")
    assert not ap.is_displayed()
    assert shown_heads(browser) == ["Label", "Positives", *names, *ways]
    assert browser.find_element(By.CSS_SELECTOR, "#table tbody td.log_loss").is_displayed()
    check_logs(browser, side_by_side)


def test_differences_of_runs_sort_and_filter(browser: Chrome, side_by_side: Path) -> None:
    open_page(browser, side_by_side)
    numbers = {name: i for i, name in enumerate(shown_heads(browser))}
    for name, number in list(numbers.items())[1:]:
        head(browser, name).click()
        script = """return [...document.querySelectorAll('#table tbody tr')].map(
            (row) => row.cells[arguments[0]].dataset.v
              ?? row.cells[arguments[0]].firstChild.textContent)"""
        values = [float(text.split()[0]) for text in browser.execute_script(script, number)]
        assert values == sorted(values, reverse=True), name
        assert len(set(values)) > 1
    browser.find_element(By.ID, "filter").send_keys("_C")
    assert column(browser, 0) == ["label_c"]
    browser.find_element(By.ID, "filter").send_keys(Keys.CONTROL, "a", Keys.BACKSPACE)
    browser.find_element(By.ID, "only").click()
    clear = column(browser, 0)
    assert "label_a" in clear
    assert "label_f" not in clear  # whose predictions are the same
    marks = browser.find_elements(By.CSS_SELECTOR, "#table tbody abbr.better")
    assert {mark.get_attribute("title") for mark in marks} == {"better"}
    check_logs(browser, side_by_side)


def test_keyboard_reaches_the_controls_of_several_runs(browser: Chrome, side_by_side: Path) -> None:
    open_page(browser, side_by_side)
    reached = []
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        here = browser.switch_to.active_element
        reached.append(here.get_attribute("id") or here.text or here.tag_name)
        if here.get_attribute("id") == "metric":
            here.send_keys("F")  # chooses the option that begins so
    assert {"filter", "metric", "only", "run <1>: difference"} <= set(reached)
    shown = browser.find_element(By.CSS_SELECTOR, "#table tbody td.f1")
    assert shown.is_displayed()


def test_names_of_labels_of_several_runs_stay_text(browser: Chrome, nasty_runs: Path) -> None:
    open_page(browser, nasty_runs)
    assert sorted(column(browser, 0)) == sorted(map(escape_name, NASTY))
    assert browser.title == "run <0> and run <1>"
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 1
    assert browser.find_elements(By.CSS_SELECTOR, "#summary i") == []
    check_logs(browser, nasty_runs)


def test_many_labels_of_several_runs_are_paged(browser: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "comparison.html"
    labels = [f"tag_{i:04}" for i in range(MANY)]
    page.write_bytes(comparison_page.to_html(make_runs_report(labels, rows=60, replicates=3)))
    open_page(browser, page)
    assert len(column(browser, 0)) == 100
    assert [option.text for option in Select(browser.find_element(By.ID, "metric")).options] == [
        "AP",
        "F1",
    ]
    head(browser, "Label").click()
    browser.find_element(By.ID, "next").click()
    assert column(browser, 0) == labels[100:200]
    check_logs(browser, page)


def test_runs_of_one_label_have_no_table_of_labels(browser: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "comparison.html"
    page.write_bytes(comparison_page.to_html(make_runs_report(["alone"])))
    open_page(browser, page)
    assert "labels" not in [element.get_attribute("id") for element in sections_of(browser)]
    assert browser.find_element(By.ID, "averages-h").text == "alone"
    assert run_axe(browser) == []
    check_logs(browser, page)
