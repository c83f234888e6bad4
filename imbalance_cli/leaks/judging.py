"""What a feature alone says of labels that are known in the same rows.

A rule is a set of rows that the feature picks out: those with one of its values, those from a value
on, those where it is missing. Each rule is compared with each label: cheap counts exclude most, and
only the few that may be a leak are tested in full.

Shapes: R rows, l labels, Q positive cells, C rules, K distinct values, F folds.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imbalance_cli.leaks.chance import (
    is_beyond_chance,
    is_pure_beyond_chance,
    is_separation,
    lower_bound,
)
from imbalance_cli.leaks.reading import ABSENT, FOLDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imbalance_cli.leaks.reading import Block

    Numbers = NDArray[np.int64]
    Floats = NDArray[np.float64]

MOST_CATEGORIES = 1_000  # a column of more distinct cells is not judged by them
PRIOR_ROWS = 10.0  # of the prevalence, that the rate of a category is drawn to

LEAST_BOTH = 0.87  # the geometric mean of precision above chance and recall, at their lower bounds
LEAST_SURE = 0.8  # precision above chance at its lower bound, of a rule that misses many positives
LEAST_PURE = 0.98  # and as it was observed
ONE_SIDED = {
    "value": (LEAST_PURE, 0.2),
    "missing": (LEAST_PURE, 0.2),
    "known": (LEAST_PURE, 0.2),
    "higher": (1.0, 0.5),
    "lower": (1.0, 0.5),
}
NEVER = (1.0, np.inf)
"""The least precision above chance, and the least share of all positives, of a one-sided rule.

The levels lie between the honest features of 38 public tables and leaks: a strong measurement has
many positives and hardly a negative beyond some value, and a common word may name a rare disease.
A range may have no negative at all.
"""


@dataclasses.dataclass(frozen=True)
class Rules:
    """Rules of one kind, each held against one label.

    Attributes:
        how: a key of ONE_SIDED, or "category" for values that are mostly positive.
        label: (C,) a place among the labels of the block.
        rows: (C,) that the rule picks out.
        hits: (C,) positives among them.
        code: (C,) the value, or the end of the range.
    """

    how: str
    label: Numbers
    rows: Numbers
    hits: Numbers
    code: Numbers


class Rule(NamedTuple):
    """One of them."""

    how: str
    code: int
    rows: int
    hits: int


@dataclasses.dataclass(frozen=True)
class Judged:
    """What a feature says of the labels of a block.

    Attributes:
        scores: (l,) by how the feature ranks rows: the average precision of each label.
        perfect: how it separates a label, by the place of the label.
        rules: the rule that tells most of a label and may be a leak, by the place of the label.
    """

    scores: dict[str, Floats]
    perfect: dict[int, str]
    rules: dict[int, Rule]


def judge_feature(codes: Numbers, block: Block, *, is_ordered: bool, tests: int) -> Judged:
    """Judge a feature by its codes, (R,), in the rows of a block.

    Args:
        codes: ABSENT where missing.
        block: the labels.
        is_ordered: whether a larger code is a larger number or a later date.
        tests: features times labels, for Bonferroni.
    """
    counts = _Counts(codes, block)
    rules = [counts.values(), *counts.presence()]
    scores = {rule.how: counts.presence_score(rule) for rule in rules[1:]}
    if is_ordered:
        ranges = counts.ranges()
        scores = {rule.how: counts.range_score(rule) for rule in ranges} | scores
        rules += ranges
    if 1 < len(counts.sizes) <= MOST_CATEGORIES:
        scores["category"], rule = counts.categories()
        rules.append(rule)
    return Judged(scores, counts.perfect(rules), counts.choose(rules, tests))


class _Counts:
    """How often each value comes, and comes with each label.

    Attributes:
        sizes: (K,) rows of each value.
        known: (l,) positives whose value is known.
    """

    def __init__(self, codes: Numbers, block: Block) -> None:
        self._block = block
        self._codes = codes
        self._total = len(codes)
        is_known = codes != ABSENT
        self._missing = self._total - int(is_known.sum())
        self.sizes = np.bincount(codes[is_known])
        of_cells = codes[block.row]
        label, code = block.label[of_cells != ABSENT], of_cells[of_cells != ABSENT]
        keys, self._hits = np.unique(label * max(len(self.sizes), 1) + code, return_counts=True)
        self._label, self._code = np.divmod(keys, max(len(self.sizes), 1))
        self.known = np.bincount(label, minlength=len(block.labels))
        self._prevalence = block.positives / max(self._total, 1)

    def values(self) -> Rules:
        """Return a rule for each value that a positive has."""
        return Rules("value", self._label, self.sizes[self._code], self._hits, self._code)

    def presence(self) -> list[Rules]:
        """Return the rules that the value is missing, and that it is known."""
        labels = np.arange(len(self.known))
        code = np.full_like(labels, ABSENT)
        known = np.full_like(labels, self._total - self._missing)
        missing = np.full_like(labels, self._missing)
        return [
            Rules("missing", labels, missing, self._block.positives - self.known, code),
            Rules("known", labels, known, self.known, code),
        ]

    def ranges(self) -> list[Rules]:
        """Return the rules that a value is at least, or at most, that of a positive."""
        before = np.concatenate([[0], np.cumsum(self.known)[:-1]])[self._label]
        up_to = np.cumsum(self._hits) - before
        below = np.cumsum(self.sizes)[self._code]
        above = self.sizes.sum() - below + self.sizes[self._code]
        from_on = self.known[self._label] - up_to + self._hits
        return [
            Rules("higher", self._label, above, from_on, self._code),
            Rules("lower", self._label, below, up_to, self._code),
        ]

    def range_score(self, rules: Rules) -> Floats:
        """Return the average precision of values in an order, the missing ones last."""
        precision = rules.hits / rules.rows
        sums = np.bincount(rules.label, self._hits * precision, len(self.known))
        return self._average(sums + (self._block.positives - self.known) * self._prevalence)

    def presence_score(self, rules: Rules) -> Floats:
        """Return the average precision of one flag."""
        inside = rules.hits**2 / np.maximum(rules.rows, 1)
        return self._average(inside + (self._block.positives - rules.hits) * self._prevalence)

    def categories(self) -> tuple[Floats, Rules]:
        """Return the average precision of the rates of values, and rules of the highest rates.

        A fold ranks the values by their rates in the other folds, so that a rare value does not
        look better than it is; what the folds rank at the same place is taken together. Missing is
        a value too.
        """
        shape = FOLDS, len(self.sizes) + 1, len(self.known)  # (F, K + 1, l)
        row, label = self._block.row, self._block.label
        places = self._block.fold * shape[1] + self._codes - ABSENT
        rows_in = np.bincount(places, minlength=FOLDS * shape[1]).reshape(shape[:2])
        cells = np.bincount(places[row] * shape[2] + label, minlength=math.prod(shape))
        hits_in = cells.reshape(shape)
        sizes, hits = rows_in.sum(axis=0), hits_in.sum(axis=0)
        others = (sizes - rows_in + PRIOR_ROWS)[..., None]
        rates = (hits - hits_in + PRIOR_ROWS * self._prevalence) / others
        order = np.argsort(-rates, axis=1, kind="stable")
        rows = np.take_along_axis(rows_in[..., None], order, axis=1).sum(axis=0).cumsum(axis=0)
        added = np.take_along_axis(hits_in, order, axis=1).sum(axis=0)
        found = added.cumsum(axis=0)
        score = self._average((added * found / np.maximum(rows, 1)).sum(axis=0))
        label = np.tile(np.arange(shape[2]), shape[1])
        rows = np.broadcast_to(rows, found.shape)
        return score, Rules("category", label, rows.ravel(), found.ravel(), np.zeros_like(label))

    def _average(self, sums: NDArray[Any]) -> Floats:
        return sums / np.maximum(self._block.positives, 1)

    def perfect(self, rules: list[Rules]) -> dict[int, str]:
        """Return how the known values, or being known, separate the sides of a label."""
        found: dict[int, str] = {}
        everything = self._total - self._missing
        for rule in rules[1:]:
            if rule.how == "category":
                continue
            is_flag = rule.how in {"missing", "known"}
            positives = self._block.positives if is_flag else self.known
            total = self._total if is_flag else everything
            exact = (rule.hits == rule.rows) & (rule.hits == positives[rule.label])
            for label in rule.label[exact].tolist():
                if is_separation(int(positives[label]), total - int(positives[label])):
                    found.setdefault(label, rule.how)
        if len(self.sizes) <= MOST_CATEGORIES:
            is_mixed = self._hits < self.sizes[self._code]
            mixed = np.bincount(self._label, is_mixed, len(self.known))
            for label in np.flatnonzero(mixed == 0).tolist():
                positives_of = int(self.known[label])
                if is_pure_beyond_chance(self.sizes, positives_of, everything - positives_of):
                    found.setdefault(label, "category")
        return found

    def choose(self, rules: list[Rules], tests: int) -> dict[int, Rule]:
        """Return the rule of each label that tells most, of those that may be a leak."""
        kind = np.repeat(np.arange(len(rules)), [len(rule.label) for rule in rules])
        label, rows, hits, code = (
            np.concatenate([getattr(rule, name) for rule in rules])
            for name in ("label", "rows", "hits", "code")
        )
        likely = self._likely(label, rows, hits)
        kind, label, rows, hits = kind[likely], label[likely], rows[likely], hits[likely]
        if not len(likely):
            return {}
        one_sided = np.array([ONE_SIDED.get(rule.how, NEVER) for rule in rules])[kind]
        number = max(len(code) / max(len(self.known), 1), 1.0) * tests
        strength = self._judge(label, rows, hits, one_sided) * is_beyond_chance(
            hits, rows, self._prevalence[label], number
        )
        best: dict[int, tuple[float, Rule]] = {}
        for place in np.flatnonzero(strength).tolist():
            if strength[place] > best.get(int(label[place]), (0.0,))[0]:
                its = int(code[likely[place]]), int(rows[place]), int(hits[place])
                chosen = Rule(rules[kind[place]].how, *its)
                best[int(label[place])] = float(strength[place]), chosen
        return {number: chosen for number, (_, chosen) in best.items()}

    def _likely(self, label: Numbers, rows: Numbers, hits: Numbers) -> NDArray[np.intp]:
        """Return the places of the few rules, (C,), that are worth a test."""
        share = hits / np.maximum(self._block.positives[label], 1)
        is_likely = self._precision(label, rows, hits) > LEAST_BOTH**2
        return np.flatnonzero(is_likely & (share >= min(least for _, least in ONE_SIDED.values())))

    def _precision(self, label: Numbers, rows: Numbers, hits: Numbers) -> Floats:
        """Return the precision of rules, (C,), above chance."""
        prevalence = self._prevalence[label]
        precision = hits / np.maximum(rows, 1)
        above: Floats = (precision - prevalence) / np.maximum(1 - prevalence, 1e-12)
        return above

    def _judge(self, label: Numbers, rows: Numbers, hits: Numbers, least: Floats) -> Floats:
        """Return how much rules tell, (C,), 0 where they may be no leak.

        A rule of two sides has hardly a row that is not positive and misses hardly a positive; a
        one-sided one has no more of the former, and may miss many: `least` (C, 2) is as in
        ONE_SIDED. Both have to be so beyond what few rows say by chance.
        """
        positives, expected = self._block.positives[label], self._prevalence[label]
        share = hits / np.maximum(positives, 1)
        sure = (lower_bound(hits, rows) - expected) / (1 - expected)
        both = np.sqrt(np.maximum(sure, 0) * lower_bound(hits, positives))
        is_one_sided = (sure >= LEAST_SURE) & (share >= least[:, 1])
        is_one_sided &= self._precision(label, rows, hits) >= least[:, 0]
        told: Floats = np.where(both >= LEAST_BOTH, 1 + both, np.where(is_one_sided, share, 0))
        return told
