"""What features alone say of labels that are known in the same rows.

A rule is a set of rows that the feature picks out: those with one of its values, those from a value
on, those where it is missing. Each rule is compared with each label: cheap counts exclude most, and
only the few that may be a leak are tested in full.

Shapes: f features, l labels, P pairs of a feature and a label (feature * l + label), R rows, Q
positive cells, C rules, K distinct values of a feature, F folds.
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
    Flags = NDArray[np.bool_]

MOST_CATEGORIES = 1_000  # a column of more distinct cells is not judged by them
MOST_CELLS = 2**20  # of what is judged together
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


class Rules(NamedTuple):
    """Rules of one kind, each held against one label.

    Attributes:
        how: a key of ONE_SIDED, or "category" for values that are mostly positive.
        pair: (C,) of a feature and a label.
        rows: (C,) that the rule picks out.
        hits: (C,) positives among them.
        code: (C,) the value, or the end of the range.
    """

    how: str
    pair: Numbers
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
    """What features say of the labels of a block.

    Attributes:
        scores: (f, l) by how a feature ranks rows: the average precision of each label, -inf where
            it cannot rank them so.
        perfect: how a feature separates a label, by their pair.
        rules: the rule that tells most of a label and may be a leak, by its pair.
    """

    scores: dict[str, Floats]
    perfect: dict[int, str]
    rules: dict[int, Rule]


def judge_features(codes: Numbers, block: Block, is_ordered: Flags, tests: int) -> Judged:
    """Judge features by their codes, (f, R), in the rows of a block.

    Args:
        codes: ABSENT where missing.
        block: the labels.
        is_ordered: (f,) whether a larger code is a larger number or a later date.
        tests: all features times labels, for Bonferroni.
    """
    counts = _Counts(codes, block, is_ordered)
    flags, ranges = counts.presence(), counts.ranges()
    scores = {rules.how: counts.range_score(rules) for rules in ranges}
    scores |= {rules.how: counts.presence_score(rules) for rules in flags}
    scores["category"], categories = counts.categories()
    return Judged(
        {how: score.reshape(len(codes), len(block.labels)) for how, score in scores.items()},
        counts.perfect([*flags, *ranges]),
        counts.choose([counts.values(), *flags, *ranges, *categories], tests),
    )


class _Counts:
    """How often each value of features comes, and comes with each label.

    Attributes:
        sizes: (V,) rows of each value, feature by feature.
        known: (P,) positives whose value is known.
    """

    def __init__(self, codes: Numbers, block: Block, is_ordered: Flags) -> None:
        self._block = block
        self._codes = codes
        self._is_ordered = is_ordered
        self._labels = len(block.labels)
        features, self._total = codes.shape
        self._positives = np.tile(block.positives, features)  # (P,)
        self._prevalence = self._positives / max(self._total, 1)
        is_known = codes != ABSENT
        self._rows = is_known.sum(axis=1)  # (f,) whose value is known
        self._distinct = codes.max(axis=1, initial=ABSENT) + 1  # (f,) the numbers of values
        self._first = np.cumsum(self._distinct) - self._distinct  # (f,) the place in `sizes`
        self.sizes = np.bincount((codes + self._first[:, None])[is_known])
        of_cells = codes[:, block.row]
        feature, cell = np.nonzero(of_cells != ABSENT)
        pair = feature * self._labels + block.label[cell]
        self.known = np.bincount(pair, minlength=len(self._positives))
        width = max(int(self._distinct.max(initial=0)), 1)
        keys, self._hits = np.unique(pair * width + of_cells[feature, cell], return_counts=True)
        self._pair, self._code = np.divmod(keys, width)
        self._feature = self._pair // self._labels
        self._value = self._first[self._feature] + self._code

    def values(self) -> Rules:
        """Return a rule for each value that a positive has."""
        return Rules("value", self._pair, self.sizes[self._value], self._hits, self._code)

    def presence(self) -> list[Rules]:
        """Return the rules that the value is missing, and that it is known."""
        pairs = np.arange(len(self._positives))
        code = np.full_like(pairs, ABSENT)
        known = np.repeat(self._rows, self._labels)
        return [
            Rules("missing", pairs, self._total - known, self._positives - self.known, code),
            Rules("known", pairs, known, self.known, code),
        ]

    def ranges(self) -> list[Rules]:
        """Return the rules that a value is at least, or at most, that of a positive."""
        before = (np.cumsum(self.known) - self.known)[self._pair]
        up_to = np.cumsum(self._hits) - before
        of_others = (np.cumsum(self._rows) - self._rows)[self._feature]
        below = np.cumsum(self.sizes)[self._value] - of_others
        above = self._rows[self._feature] - below + self.sizes[self._value]
        from_on = self.known[self._pair] - up_to + self._hits
        chosen = self._is_ordered[self._feature]
        pair, code = self._pair[chosen], self._code[chosen]
        return [
            Rules("higher", pair, above[chosen], from_on[chosen], code),
            Rules("lower", pair, below[chosen], up_to[chosen], code),
        ]

    def range_score(self, rules: Rules) -> Floats:
        """Return the average precision of values in an order, the missing ones last."""
        precision = rules.hits / rules.rows
        hits = self._hits[self._is_ordered[self._feature]]
        sums = np.bincount(rules.pair, hits * precision, len(self.known))
        score = self._average(sums + (self._positives - self.known) * self._prevalence)
        return np.where(np.repeat(self._is_ordered, self._labels), score, -np.inf)

    def presence_score(self, rules: Rules) -> Floats:
        """Return the average precision of one flag."""
        inside = rules.hits**2 / np.maximum(rules.rows, 1)
        return self._average(inside + (self._positives - rules.hits) * self._prevalence)

    def categories(self) -> tuple[Floats, list[Rules]]:
        """Return the average precision of the rates of values, and rules of the highest rates.

        A fold ranks the values by their rates in the other folds, so that a rare value does not
        look better than it is; what the folds rank at the same place is taken together. Missing is
        a value too.
        """
        sums = np.full((len(self._codes), self._labels), -np.inf)
        rules = []
        for distinct in np.unique(self._distinct).tolist():
            if not 1 < distinct <= MOST_CATEGORIES:
                continue
            alike = np.flatnonzero(self._distinct == distinct)
            most = max(MOST_CELLS // (FOLDS * (distinct + 1) * self._labels), 1)
            for start in range(0, len(alike), most):
                features = alike[start : start + most]
                sums[features], of_these = self._rank_categories(features, distinct)
                rules.append(of_these)
        return self._average(sums.ravel()), rules

    def _rank_categories(self, features: Numbers, distinct: int) -> tuple[Floats, Rules]:
        """Do so for some features, (g,), that have as many values; sums, (g, l), not averages."""
        shape = len(features), FOLDS, distinct + 1, self._labels  # (g, F, K + 1, l)
        row, label = self._block.row, self._block.label
        first = np.arange(shape[0])[:, None] * FOLDS + self._block.fold
        places = first * shape[2] + self._codes[features] - ABSENT  # (g, R)
        counted = np.bincount(places.ravel(), minlength=math.prod(shape[:3]))
        rows_in = counted.reshape(shape[:3])
        cells = (places[:, row] * shape[3] + label).ravel()
        hits_in = np.bincount(cells, minlength=math.prod(shape)).reshape(shape)
        sizes, hits = (counts.sum(axis=1, keepdims=True) for counts in (rows_in, hits_in))
        others = (sizes - rows_in + PRIOR_ROWS)[..., None]
        prior = PRIOR_ROWS * self._prevalence[: self._labels]
        order = np.argsort(-((hits - hits_in + prior) / others), axis=2, kind="stable")
        rows = np.take_along_axis(rows_in[..., None], order, axis=2).sum(axis=1).cumsum(axis=1)
        added = np.take_along_axis(hits_in, order, axis=2).sum(axis=1)
        found = added.cumsum(axis=1)
        sums: Floats = (added * found / np.maximum(rows, 1)).sum(axis=1)
        pair = features[:, None, None] * self._labels + np.arange(self._labels)
        pair, rows = (np.broadcast_to(part, found.shape).ravel() for part in (pair, rows))
        return sums, Rules("category", pair, rows, found.ravel(), np.zeros_like(pair))

    def _average(self, sums: NDArray[Any]) -> Floats:
        return sums / np.maximum(self._positives, 1)

    def perfect(self, rules: list[Rules]) -> dict[int, str]:
        """Return how the known values, or being known, separate the sides of a label."""
        found: dict[int, str] = {}
        known_rows = np.repeat(self._rows, self._labels)
        for rule in rules:
            is_flag = rule.how in {"missing", "known"}
            positives = self._positives if is_flag else self.known
            exact = (rule.hits == rule.rows) & (rule.hits == positives[rule.pair])
            for pair in rule.pair[exact].tolist():
                rows = self._total if is_flag else int(known_rows[pair])
                if is_separation(int(positives[pair]), rows - int(positives[pair])):
                    found.setdefault(pair, rule.how)
        for pair in self._pure_pairs().tolist():
            feature, positives_of = pair // self._labels, int(self.known[pair])
            first = self._first[feature]
            sizes = self.sizes[first : first + self._distinct[feature]]
            if is_pure_beyond_chance(sizes, positives_of, int(known_rows[pair]) - positives_of):
                found.setdefault(pair, "category")
        return found

    def _pure_pairs(self) -> NDArray[np.intp]:
        """Return those where no value has both sides; where each comes once, that says nothing."""
        is_mixed = self._hits < self.sizes[self._value]
        mixed = np.bincount(self._pair, is_mixed, len(self.known))
        feature = np.repeat(np.arange(len(self._codes)), self._distinct)
        repeats = np.bincount(feature, self.sizes > 1, len(self._codes))
        may_be = (repeats > 0) & (self._distinct <= MOST_CATEGORIES)
        return np.flatnonzero((mixed == 0) & np.repeat(may_be, self._labels))

    def choose(self, rules: list[Rules], tests: int) -> dict[int, Rule]:
        """Return the rule of each pair that tells most, of those that may be a leak."""
        of_features = [
            np.bincount(r.pair // self._labels, minlength=len(self._codes)) for r in rules
        ]
        number = np.maximum(np.sum(of_features, axis=0) / self._labels, 1.0) * tests
        likely = [self._likely(rule) for rule in rules]
        kind = np.repeat(np.arange(len(rules)), [len(places) for places in likely])
        if not len(kind):
            return {}
        pair, rows, hits, code = (
            np.concatenate(
                [rule[field][places] for rule, places in zip(rules, likely, strict=True)]
            )
            for field in range(1, len(Rules._fields))
        )
        one_sided = np.array([ONE_SIDED.get(rule.how, NEVER) for rule in rules])[kind]
        strength = self._judge(pair, rows, hits, one_sided) * is_beyond_chance(
            hits, rows, self._prevalence[pair], number[pair // self._labels]
        )
        best: dict[int, tuple[float, Rule]] = {}
        for place in np.flatnonzero(strength).tolist():
            if strength[place] > best.get(int(pair[place]), (0.0,))[0]:
                its = int(code[place]), int(rows[place]), int(hits[place])
                best[int(pair[place])] = float(strength[place]), Rule(rules[kind[place]].how, *its)
        return {number: chosen for number, (_, chosen) in best.items()}

    def _likely(self, rules: Rules) -> NDArray[np.intp]:
        """Return the places of the few rules, of (C,), that are worth a test."""
        share = rules.hits / np.maximum(self._positives[rules.pair], 1)
        is_likely = self._precision(rules.pair, rules.rows, rules.hits) > LEAST_BOTH**2
        return np.flatnonzero(is_likely & (share >= min(least for _, least in ONE_SIDED.values())))

    def _precision(self, pair: Numbers, rows: Numbers, hits: Numbers) -> Floats:
        """Return the precision of rules, (C,), above chance."""
        prevalence = self._prevalence[pair]
        precision = hits / np.maximum(rows, 1)
        above: Floats = (precision - prevalence) / np.maximum(1 - prevalence, 1e-12)
        return above

    def _judge(self, pair: Numbers, rows: Numbers, hits: Numbers, least: Floats) -> Floats:
        """Return how much rules tell, (C,), 0 where they may be no leak.

        A rule of two sides has hardly a row that is not positive and misses hardly a positive; a
        one-sided one has no more of the former, and may miss many: `least` (C, 2) is as in
        ONE_SIDED. Both have to be so beyond what few rows say by chance.
        """
        positives, expected = self._positives[pair], self._prevalence[pair]
        share = hits / np.maximum(positives, 1)
        sure = (lower_bound(hits, rows) - expected) / (1 - expected)
        both = np.sqrt(np.maximum(sure, 0) * lower_bound(hits, positives))
        is_one_sided = (sure >= LEAST_SURE) & (share >= least[:, 1])
        is_one_sided &= self._precision(pair, rows, hits) >= least[:, 0]
        told: Floats = np.where(both >= LEAST_BOTH, 1 + both, np.where(is_one_sided, share, 0))
        return told
