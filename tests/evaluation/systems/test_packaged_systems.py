"""Systems whose weights lie inside packages, with the real weights, where they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_systems import DATA, RATE, clips, package_place

from fxlens.audio.waveform import to_waveform
from fxlens.data.synthesis.synthetic import synthesize_song
from fxlens.evaluation.systems.musicnn import MTT_TAGS, SAMPLE_RATE, load_musicnn
from fxlens.evaluation.systems.registry import open_system


def spec(package: str) -> str:
    place = package_place(package)
    return package if place is None else f"{package}:{place}"


def tags_of(sound: np.ndarray) -> dict[str, float]:
    model = load_musicnn(package_place("musicnn"), "MTT_musicnn")
    with torch.no_grad():
        return dict(
            zip(MTT_TAGS, model.probabilities(torch.from_numpy(sound).mean(dim=0)[None])[0].tolist(), strict=True)
        )


def test_musicnn_reads_its_checkpoint_and_hears_drums_and_singing() -> None:
    """Of a drum kit: beat and drums far more than of a voice; of a voice: vocal words far more than of a kit."""
    song = synthesize_song(0, seconds=8.0, sample_rate=SAMPLE_RATE, instruments=("drums", "vocals"))
    kit, voice = (tags_of(song[name][:, -6 * SAMPLE_RATE :].astype(np.float32)) for name in ("drums", "vocals"))
    rhythm, sung = ("beat", "beats", "drums"), ("vocal", "vocals", "singing", "voice", "woman", "female", "opera")
    assert sum(kit[tag] for tag in rhythm) > 3 * sum(voice[tag] for tag in rhythm)
    assert sum(voice[tag] for tag in sung) > 3 * sum(kit[tag] for tag in sung)


RECORDED = DATA / "multitracks" / "everything-is-free"


@pytest.mark.skipif(not RECORDED.is_dir(), reason="no recordings: FXLENS_DATA names the folder that has them")
@pytest.mark.parametrize(
    ("file", "tags"),
    [
        ("Lithium/drums.ogg", {"beat", "drums", "beats", "techno"}),
        ("Lithium/lead_vocals.ogg", {"vocal", "vocals", "female", "male", "voice", "woman", "man", "singing"}),
        ("Potassium/backing_vocals.ogg", {"choir", "choral", "opera"}),
    ],
)
def test_musicnn_tags_recordings_plausibly(file: str, tags: set[str]) -> None:
    sound = to_waveform(RECORDED / file, None, SAMPLE_RATE)
    length = 9 * SAMPLE_RATE
    levels = [np.square(sound[:, i : i + length]).sum() for i in range(0, sound.shape[1] - length, length)]
    start = int(np.argmax(levels)) * length
    heard = tags_of(sound[:, start : start + length])
    best = sorted(heard, key=heard.__getitem__, reverse=True)
    assert len(tags & set(best[:4])) >= 3, best[:6]


def test_musicnn_is_a_system() -> None:
    found = open_system(spec("musicnn")).embed(clips(), RATE)
    assert found.shape == (4, 200) and np.isfinite(found).all()
    assert (found @ found.T)[0, 1] < 0.98  # drums and bass


def test_cdpam_hears_noise_grow() -> None:
    """What it was made for: the more noise is added, the farther away. And it is a system."""
    system = open_system(spec("cdpam"))
    clean = clips()[1:2, :, :8820] / np.abs(clips()[1, :, :8820]).max() * 0.5
    noise = np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    noisy = np.concatenate([clean + share * noise for share in (0.0, 1e-3, 1e-2, 1e-1)])
    found = system.embed(noisy, RATE)
    assert found.shape == (4, 512)
    distances = 1.0 - found @ found[0]
    assert (np.diff(distances) > 1e-5).all(), distances
