"""Epochs come in one order, whoever trains a group first and however far others are by then."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from small_runs import TABULAR

from imbalance_cli.network.epochs import EpochResult, MemberResult, Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from imbalance_cli.network.recipes import Recipe

ROWS = 100
MOST = 6  # epochs of a group that does not follow
RECIPE = dataclasses.replace(TABULAR, epochs=MOST)
BEFORE = EpochResult(0, (MemberResult(math.inf, math.inf, 0, math.inf),), 0.0, math.nan)


@dataclasses.dataclass
class ShortGroup:
    """A group of one member, whose epochs are known before: how many, and the best one."""

    length: int
    best: int
    leader: int | None = None
    recipe: Recipe = RECIPE
    rows_per_epoch: int = ROWS
    result: EpochResult = BEFORE

    def epoch(self, number: int, after: int) -> EpochResult:
        """Return the result of an epoch, the first of which comes after another."""
        done = number - after
        best = done if self.leader is not None else min(done, self.best)
        member = MemberResult(1 / done, 0.5, best, 0.5, done < self.length, number)
        return EpochResult(number, (member,), 0.1 / number, 50.0)


def make_groups(leaders: list[tuple[int, int]], *, is_followed: bool = False) -> list[ShortGroup]:
    groups: list[ShortGroup] = []
    for length, best in leaders:
        leader = len(groups)
        groups.append(ShortGroup(length, min(length, best)))
        if is_followed:
            groups.append(ShortGroup(RECIPE.epochs_kept(min(length, best), length)[-1], 0, leader))
    return groups


def train(
    groups: list[ShortGroup],
    choose: Callable[[list[int]], int],
    timeline: Timeline | None = None,
    stop: float = math.inf,
) -> tuple[list[EpochResult], Timeline]:
    """Train one epoch of the chosen group at a time; return what came out, at most so many."""
    timeline = timeline or Timeline(groups)
    found: list[EpochResult] = []
    while timeline.due():
        going = [n for n in range(len(groups)) if timeline.last(n).is_training]
        spans = timeline.spans(going)
        number = choose(sorted(spans))
        before = timeline.last(number).epoch or spans[number].after
        timeline.add(number, groups[number].epoch(before + 1, spans[number].after))
        for result in timeline.whole():
            found.append(result)
            if len(found) == stop:
                return found, timeline
    return found, timeline


LEADERS = st.lists(st.tuples(st.integers(1, MOST), st.integers(1, MOST)), min_size=1, max_size=3)


@given(leaders=LEADERS, is_followed=st.booleans(), data=st.data())
def test_epochs_are_those_of_groups_that_take_turns(
    leaders: list[tuple[int, int]], data: st.DataObject, *, is_followed: bool
) -> None:
    groups = make_groups(leaders, is_followed=is_followed)
    timeline = Timeline(groups)
    wanted = []
    while due := timeline.due():
        for number, span in due.items():
            before = timeline.last(number).epoch or span.after
            timeline.add(number, groups[number].epoch(before + 1, span.after))
        [result] = timeline.whole()  # each time round it is the next epoch
        wanted.append(result)
    assert [result.epoch for result in wanted] == list(range(1, len(wanted) + 1))
    assert not wanted[-1].is_training
    found, _ = train(groups, lambda going: data.draw(st.sampled_from(going)))
    assert found == wanted


@given(leaders=LEADERS, is_followed=st.booleans(), stop=st.integers(1, 9), data=st.data())
def test_a_timeline_goes_on_from_its_state(
    leaders: list[tuple[int, int]], stop: int, data: st.DataObject, *, is_followed: bool
) -> None:
    groups = make_groups(leaders, is_followed=is_followed)

    def choose(going: list[int]) -> int:
        return data.draw(st.sampled_from(going))

    wanted, _ = train(groups, choose)
    begun, timeline = train(groups, choose, stop=stop)
    again = Timeline(groups, state=timeline.state())
    pending = list(again.whole())
    rest, _ = train(groups, choose, again)
    assert begun + pending + rest == wanted


def test_what_is_left_of_epochs_that_are_not_whole() -> None:
    """The first group is at its second epoch, the other one has had three."""
    groups = make_groups([(4, 4), (4, 4)])
    order = iter([0, 1, 1, 1])
    found, timeline = train(groups, lambda _: next(order), stop=1)
    assert [result.epoch for result in found] == [1]
    for epoch in (2, 3):
        timeline.add(1, groups[1].epoch(epoch, 0))
    assert list(timeline.whole()) == []
    left = list(timeline.rest())
    assert [result.epoch for result in left] == [2, 3]
    assert [[member.epoch for member in result.members] for result in left] == [[1, 2], [1, 3]]


def test_speed_is_of_all_that_are_trained_at_a_time() -> None:
    groups = make_groups([(1, 1), (1, 1), (1, 1)])
    for at_once, wanted in ((1, 50), (2, 100), (8, 150)):
        timeline = Timeline(groups, at_once=at_once)
        for number, group in enumerate(groups):
            timeline.add(number, group.epoch(1, 0))
        [result] = timeline.whole()
        assert result.rows_per_second == wanted
