"""Which of the segments that queries share are worth showing."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevis.runtime.query_segments import QuerySegment, visible_segments


def segment(track_id: int, score: float, columns: slice) -> QuerySegment:
    """All of some columns of one frame of ten."""
    probabilities = np.zeros((1, 1, 10), dtype=np.float32)
    probabilities[..., columns] = 0.9
    return QuerySegment(track_id, 0, score, probabilities)


@pytest.mark.parametrize(("columns", "shown"), [(slice(4, 10), [1, 2]), (slice(3, 8), [1])])
def test_a_segment_that_better_ones_hide_is_dropped(columns, shown):
    """Of the second one five sixths are left, or four fifths, which is not more than enough."""
    segments = [segment(1, 0.9, slice(0, 4 if columns.start == 3 else 5)), segment(2, 0.8, columns)]
    assert [kept.track_id for kept in visible_segments(segments, threshold=0.5)] == shown


def test_a_hidden_segment_hides_nothing():
    hidden = segment(2, 0.8, slice(2, 8))
    behind = segment(3, 0.7, slice(5, 10))
    kept = visible_segments([segment(1, 0.9, slice(0, 5)), hidden, behind], threshold=0.5)
    assert [one.track_id for one in kept] == [1, 3]
