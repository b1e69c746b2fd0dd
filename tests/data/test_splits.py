"""Splits: seeded, blind to order, as large as asked for, and no artist on both sides."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from fxlens.data.multitrack import Multitrack, Stem
from fxlens.data.splits import assign_splits, group_of
from fxlens.errors import UsageError


def songs(count: int) -> list[Multitrack]:
    return [Multitrack(f"song{i}", "c", "train", ()) for i in range(count)]


def by(*artists: str) -> list[Multitrack]:
    stem = Stem("x", "train", "x", "bass", Path("x.wav"), 9.0, 8000, -20.0, (), False, "a")
    return [Multitrack(f"song{i}", "c", "train", (stem,), artist) for i, artist in enumerate(artists)]


def test_shares_are_seeded_and_do_not_depend_on_order() -> None:
    def held(of: list[Multitrack], seed: int) -> set[str]:
        return {m.song for m in assign_splits(of, validation_share=0.25, seed=seed) if m.split == "validation"}

    assert len(held(songs(40), 0)) == 10
    assert held(songs(40), 0) == held(songs(40)[::-1], 0)
    assert held(songs(40), 0) != held(songs(40), 1)


def test_songs_without_artists_are_divided_as_they_always_were() -> None:
    # Benchmarks are named by these splits. The order is that of SHA-256 of "seed/song", computed here by sha256sum.
    divided = assign_splits(songs(10), evaluation_share=0.2, validation_share=0.1, seed=0)
    held = {m.song: m.split for m in divided if m.split != "train"}
    assert held == EXPECTED


EXPECTED = {"song1": "evaluation", "song9": "evaluation", "song7": "validation"}


@given(
    st.lists(st.sampled_from(["", "Ann", "ann ", "Bo", "Cy", "Di", "Ed", "Flo"]), min_size=1, max_size=60),
    st.floats(0.0, 0.5),
    st.floats(0.0, 0.5),
    st.integers(0, 5),
)
def test_no_artist_is_on_both_sides(artists: list[str], evaluation: float, validation: float, seed: int) -> None:
    listed = by(*artists)
    divided = assign_splits(listed, evaluation_share=evaluation, validation_share=validation, seed=seed)
    sides: dict[str, set[str]] = {}
    for multitrack in divided:
        sides.setdefault(group_of(multitrack), set()).add(multitrack.split)
        assert all(stem.split == multitrack.split for stem in multitrack.stems)
    assert all(len(splits) == 1 for splits in sides.values())
    assert [m.song for m in divided] == [m.song for m in listed]
    largest = max(sum(group_of(m) == group for m in divided) for group in sides)
    for split, share in (("evaluation", evaluation), ("validation", validation)):
        count = sum(m.split == split for m in divided)
        # The best that whole artists allow is at most half the largest of them too many.
        assert count <= round(share * len(listed)) + largest / 2
    again = {m.song: m.split for m in assign_splits(listed[::-1], evaluation_share=evaluation,
                                                    validation_share=validation, seed=seed)}  # fmt: skip
    assert again == {m.song: m.split for m in divided}


def test_a_share_is_met_when_artists_are_small() -> None:
    divided = assign_splits(by(*(f"artist{i // 2}" for i in range(200))), evaluation_share=0.2, validation_share=0.1)
    assert sum(m.split == "evaluation" for m in divided) == 40
    assert sum(m.split == "validation" for m in divided) == 20


def test_the_songs_of_a_named_artist_follow() -> None:
    divided = assign_splits(by("Ann", "Bo", "ANN"), evaluation_songs=["song0"])
    assert [m.split for m in divided] == ["evaluation", "train", "evaluation"]
    with pytest.raises(UsageError, match=r"'song2' \(or another one by ANN\) was asked for both"):
        assign_splits(by("Ann", "Bo", "ANN"), evaluation_songs=["song0"], validation_songs=["song2"])


def test_split_mistakes_are_refused() -> None:
    with pytest.raises(UsageError, match="no song is called 'typo'"):
        assign_splits(songs(3), evaluation_songs=["typo"])
    with pytest.raises(UsageError, match="both evaluation and validation"):
        assign_splits(songs(3), evaluation_songs=["song1"], validation_songs=["song*"])
    with pytest.raises(UsageError, match="shares"):
        assign_splits(songs(3), evaluation_share=0.7, validation_share=0.7)
    with pytest.raises(UsageError, match="shares"):
        assign_splits(songs(3), evaluation_share=float("nan"))
