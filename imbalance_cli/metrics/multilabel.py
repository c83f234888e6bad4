"""Metrics of whole rows of a multi-label table, as sums that add up over blocks of rows.

Shapes: N rows, L labels. A missing cell (NaN) is as if its label were not there for that row; a row
without any known cell is in none of these numbers.
"""

from __future__ import annotations

import dataclasses

import torch


@dataclasses.dataclass(frozen=True)
class MultilabelSums:
    """Sums over rows, each float64 of no dimension; states of disjoint rows add up.

    Attributes:
        rows: weight of the rows with a known cell.
        exact: of those whose known cells are all decided right.
        cells: weight of the known cells, a cell weighing what its row does.
        wrong: of those decided wrong.
        active: weight of the rows with a positive, true or decided.
        f1: sum of their F1 over cells.
        ranking: sum of the label-ranking average precision of rows.
        coverage: sum of how many labels down the ranking all positives of a row are found.
    """

    rows: torch.Tensor
    exact: torch.Tensor
    cells: torch.Tensor
    wrong: torch.Tensor
    active: torch.Tensor
    f1: torch.Tensor
    ranking: torch.Tensor
    coverage: torch.Tensor

    @classmethod
    def of(
        cls,
        probabilities: torch.Tensor,
        decisions: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None = None,
    ) -> MultilabelSums:
        """Sum over rows (N, L), weighted by (N,)."""
        known, positive = ~targets.isnan(), targets == 1
        counted = known.any(dim=1).double()
        mass = counted if weights is None else counted * weights.double()
        cells = known.sum(dim=1).double()
        wrong = (known & (decisions != positive)).sum(dim=1).double()
        true = (decisions & positive).sum(dim=1).double()
        any_positive = (known & (decisions | positive)).any(dim=1)
        f1 = 2 * true / (2 * true + wrong).clamp(min=1)
        ranking, coverage = _rank_labels(probabilities, positive, known)
        return cls(
            rows=mass.sum(),
            exact=(mass * (wrong == 0)).sum(),
            cells=(mass * cells).sum(),
            wrong=(mass * wrong).sum(),
            active=(mass * any_positive).sum(),
            f1=(mass * f1).sum(),
            ranking=(mass * ranking).sum(),
            coverage=(mass * coverage).sum(),
        )

    @classmethod
    def nothing(cls) -> MultilabelSums:
        """Return the sums over no rows."""
        return cls(*[torch.zeros((), dtype=torch.float64)] * len(dataclasses.fields(cls)))

    def merge(self, other: MultilabelSums) -> MultilabelSums:
        """Return the sums over the rows of both."""
        names = [field.name for field in dataclasses.fields(self)]
        return MultilabelSums(*(getattr(self, name) + getattr(other, name) for name in names))

    def values(self) -> dict[str, torch.Tensor]:
        """Return each metric, NaN where it is of no row.

        samples_f1 is the mean over rows of the F1 of a row's cells, without the rows that have no
        positive and for which none was decided (scikit-learn's average="samples" with
        zero_division=nan). subset_accuracy is the share of rows decided right in every known cell;
        hamming_loss that of known cells decided wrong. label_ranking_average_precision and
        coverage_error are as in scikit-learn (Tsoumakas, Katakis & Vlahavas 2010): ranks are among
        the known labels of a row; a row with only one class has precision 1, and one without
        positives coverage 0.
        """
        return {
            "samples_f1": self.f1 / self.active,
            "subset_accuracy": self.exact / self.rows,
            "hamming_loss": self.wrong / self.cells,
            "label_ranking_average_precision": self.ranking / self.rows,
            "coverage_error": self.coverage / self.rows,
        }


def _rank_labels(
    probabilities: torch.Tensor, positive: torch.Tensor, known: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (N,) the label-ranking average precision and the coverage of each row.

    The rank of a label is how many known ones score at least as high.
    """
    scores, order = probabilities.double().masked_fill(~known, -torch.inf).sort(descending=True)
    hits = positive.gather(1, order)
    ends = torch.ones_like(hits)
    ends[:, :-1] = scores[:, 1:] != scores[:, :-1]
    index = torch.arange(1, hits.shape[1] + 1, device=hits.device).expand_as(scores)
    rank = index.where(ends, hits.shape[1]).flip(1).cummin(dim=1).values.flip(1)
    relevant = hits.cumsum(dim=1).gather(1, rank - 1)
    positives = hits.sum(dim=1)
    precision = (hits * (relevant.double() / rank)).sum(dim=1) / positives
    last = torch.nn.functional.pad(hits * rank, (1, 0)).amax(dim=1)  # 0 where nothing is positive
    return precision.where(positives > 0, 1.0), last.double()
