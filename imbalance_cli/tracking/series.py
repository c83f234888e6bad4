"""What trackers keep, and what it is called: parameters, scores by epoch, held-out scores.

Shapes: M members, L labels.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from typing import TYPE_CHECKING

from imbalance_cli.network.epochs import mean_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbalance_cli.config import Config
    from imbalance_cli.network.epochs import EpochResult
    from imbalance_cli.workflows import Finish, Start

MOST_LABELS = 100  # that are kept one by one; no tracker shows more
LONGEST_NAME = 100  # of a label; MLflow takes keys of 250 characters

Scalars = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Group:
    """Members whose means are kept together: all of them, or those of one candidate.

    Attributes:
        candidate: whose members they are; None for all.
        config: that they are trained by.
        members: their numbers.
        names: of those that are also kept one by one, by number.
    """

    candidate: str | None
    config: Config
    members: list[int]
    names: dict[int, str]


def group_members(start: Start) -> list[Group]:
    """Return all members as one group, and in a comparison a group a candidate after it.

    One by one are kept the members of a fit, or of a candidate, that has several.
    """
    everyone = list(range(len(start.members)))
    names = {} if start.candidates else _name_members(start, everyone)
    groups = [Group(None, start.config, everyone, names)]
    for name, config in start.candidates.items():
        own = [m for m in everyone if start.members[m].candidate == name]
        groups.append(Group(name, config, own, _name_members(start, own)))
    return groups


def _name_members(start: Start, members: Sequence[int]) -> dict[int, str]:
    """Return names such as fold_0_seed_1, by number."""
    if len(members) == 1:
        return {}
    origins = {m: start.members[m] for m in members}
    several_seeds = len({origin.seed for origin in origins.values()}) > 1
    names = {}
    for m, origin in origins.items():
        parts = [f"fold_{origin.fold}"] if start.folds else []
        parts += [f"seed_{origin.seed}"] if several_seeds else []
        names[m] = "_".join(parts)
    return names


def flatten_config(config: Config) -> dict[str, str]:
    """Return every key of a config, such as training.epochs, with its value as text."""
    document = config.model_dump(by_alias=True, mode="json")
    return {
        f"{section}.{key}": value if isinstance(value, str) else json.dumps(value)
        for section, entries in document.items()
        for key, value in entries.items()
    }


def epoch_means(group: Group, result: EpochResult, monitor: str) -> Scalars:
    """Return the means of a group; {} if none of its members took part in the epoch.

    A member that has stopped counts with its last numbers.
    """
    members = [result.members[m] for m in group.members]
    if not any(member.epoch == result.epoch for member in members):
        return {}
    means = {
        "train/loss": mean_known([member.loss for member in members]),
        f"valid/{monitor}": mean_known([member.score for member in members]),
        "train/learning_rate": result.learning_rate,
    }
    if group.candidate is None:  # it is the speed of all together
        means["train/rows_per_second"] = result.rows_per_second
    return means


def epoch_members(group: Group, result: EpochResult, monitor: str) -> dict[str, Scalars]:
    """Return the numbers of each named member that took part in the epoch, by its name."""
    return {
        name: {"train/loss": member.loss}
        | ({} if math.isnan(member.score) else {f"valid/{monitor}": member.score})
        for m, name in group.names.items()
        if (member := result.members[m]).epoch == result.epoch
    }


def held_out_scores(group: Group, finish: Finish) -> Scalars:
    """Return what a group's model scored, macro and by label, without what is undefined.

    Of more than MOST_LABELS labels, macro alone.
    """
    found: Scalars = {}
    for scores in finish.scores:
        if scores.candidate != group.candidate:
            continue
        names = plain_names([label for label, _ in scores.labels])
        by_label = zip(names, (values for _, values in scores.labels), strict=True)
        scopes = [("macro", scores.macro)]
        if len(names) <= MOST_LABELS:
            scopes += [(f"label/{name}", values) for name, values in by_label]
        for scope, values in scopes:
            for metric, value in values.items():
                if value is not None:
                    found[f"{finish.part}/{scope}/{metric}"] = value
    return found


def plain_names(names: Sequence[str]) -> list[str]:
    """Return names that any tracker takes as part of a key, still all different.

    Letters of any script, digits, _, - and inner dots and blanks stay.
    """
    plain: list[str] = []
    taken: set[str] = set()
    for name in names:
        short = re.sub(r"[^\w.\- ]", "_", name)[:LONGEST_NAME].strip(" .") or "_"
        unique, number = short, 1
        while unique in taken:
            number += 1
            unique = f"{short}_{number}"
        taken.add(unique)
        plain.append(unique)
    return plain
