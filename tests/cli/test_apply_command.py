"""``fxlens apply``: many files, rooms, strange files; what is kept and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from apply_calls import CHAIN, RATE, TAGS, call, names, sound, write

from fxlens.audio import io
from fxlens.audio.io import read_tags
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.streaming_file import BLOCK_FRAMES, render_file

RESPONSES = Path(os.environ.get("FXLENS_DATA", Path(__file__).parents[3] / "shared" / "data")) / "impulse_responses"


@pytest.mark.parametrize(("rate", "seconds"), [(8_000, 30.0), (22_050, 0.001), (44_100, 4.0), (192_000, 1.0)])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.filterwarnings("ignore::fxlens.audio.waveform.MonoWarning")
def test_the_file_has_the_samples_of_the_whole(tmp_path: Path, rate: int, seconds: float, channels: int) -> None:
    source = write(tmp_path / "in.wav", sound(seconds, channels, rate), rate, "FLOAT")
    render_file(CHAIN, source, tmp_path / "out.wav")
    dry = np.repeat(io.read(source)[0], 3 - channels, axis=0)
    wet, found = io.read(tmp_path / "out.wav")
    assert found == rate and wet.shape == dry.shape
    assert np.abs(wet - CHAIN.apply(dry, rate)).max() <= 1e-6
    assert np.abs(wet - dry).max() > 0.01


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.wav", "PCM_U8"), ("a.wav", "PCM_16"), ("a.wav", "PCM_24"), ("a.wav", "PCM_32"), ("a.wav", "FLOAT"),
        ("a.wav", "DOUBLE"), ("a.flac", "PCM_S8"), ("a.flac", "PCM_16"), ("a.flac", "PCM_24"),
        ("a.aiff", "PCM_16"), ("a.aiff", "PCM_24"), ("a.w64", "PCM_24"),
    ],
)  # fmt: skip
def test_a_bypass_keeps_every_bit(tmp_path: Path, bypass: Path, name: str, subtype: str) -> None:
    """Rounding, full scale and bit depth: loud samples and the most negative one."""
    audio = sound(0.2) * 1.9
    audio[0] = -1.0, 1.0 - 2.0**-7
    source = write(tmp_path / "in" / name, audio, RATE, subtype)
    assert call(bypass, source, "-o", tmp_path / name) == 0
    assert io.probe(tmp_path / name).subtype == subtype
    before, after = (soundfile.read(p, dtype="float32")[0] for p in (source, tmp_path / name))
    assert np.array_equal(before, after)


@pytest.mark.parametrize(
    ("name", "subtype", "kept"),
    [
        ("a.wav", "PCM_16", TAGS),
        ("a.flac", "PCM_24", TAGS),
        ("a.ogg", "VORBIS", TAGS),
        ("a.mp3", "MPEG_LAYER_III", {k: v for k, v in TAGS.items() if k != "album"}),
        ("a.aiff", "PCM_16", {k: TAGS[k] for k in ("title", "artist", "comment")}),
    ],
)
def test_tags_are_kept(tmp_path: Path, chain: Path, name: str, subtype: str, kept: dict[str, str]) -> None:
    source = write(tmp_path / "in" / name, sound(), 44_100, subtype, TAGS)
    assert kept.items() <= read_tags(source).items()
    for target in (tmp_path / name, tmp_path / "out.flac"):
        assert call(chain, source, "-o", target) == 0
        assert kept.items() <= read_tags(target).items()


def test_tags_of_what_is_not_audio() -> None:
    assert read_tags("no such file.wav") == read_tags(__file__) == read_tags("a.m4a") == {}


def test_a_folder_becomes_a_folder(tmp_path: Path, chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    songs = tmp_path / "Lieder ünd 音"
    for name in ("eins.wav", "CD 2/zwei.flac", "CD 2/drei.ogg"):
        write(songs / name, subtype="VORBIS" if name.endswith("ogg") else "PCM_16")
    (songs / "cover.jpg").write_bytes(b"\xff\xd8\xff")
    assert call(chain, songs, "-o", tmp_path / "out" / "wet") == 0
    assert names(tmp_path / "out" / "wet") == ["CD 2/drei.ogg", "CD 2/zwei.flac", "eins.wav"]
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert io.probe(tmp_path / "out" / "wet" / "CD 2" / "zwei.flac").format == "FLAC"


def test_several_files_and_a_format(tmp_path: Path, chain: Path) -> None:
    sources = [write(tmp_path / "a" / "x.wav"), write(tmp_path / "b" / "y.flac")]
    assert call(chain, *sources, "-o", tmp_path / "out", "--suffix", ".flac") == 0
    assert names(tmp_path / "out") == ["x.flac", "y.flac"]
    (tmp_path / "there").mkdir()
    assert call(chain, sources[0], "-o", tmp_path / "there") == 0  # a folder that is there takes a single file, too
    assert names(tmp_path / "there") == ["x.wav"]


def test_outputs_inside_the_folder_are_no_inputs_of_the_next_call(tmp_path: Path, chain: Path) -> None:
    write(tmp_path / "in" / "x.wav")
    for _ in range(2):
        assert call(chain, tmp_path / "in", "-o", tmp_path / "in" / "wet") == 0
    assert names(tmp_path / "in") == ["wet/x.wav", "x.wav"]


def test_one_damaged_file_does_not_stop_the_others(
    tmp_path: Path, chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    songs = tmp_path / "in"
    for name in ("a.wav", "c.wav", "e.flac"):
        write(songs / name, sound(2.0))
    (songs / "b.wav").write_text("dear diary")
    cut = (songs / "e.flac").read_bytes()
    (songs / "e.flac").write_bytes(cut[: len(cut) // 2])
    write(songs / "d.wav", sound(channels=6))
    (songs / "f.wav").touch()
    nan = sound()
    nan[5000] = np.nan
    write(songs / "g.wav", nan, subtype="FLOAT")
    assert call(chain, songs, "-o", tmp_path / "out") == 3
    assert names(tmp_path / "out") == ["a.wav", "c.wav"]  # and nothing half-written of e and g
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1].rsplit("/", 1)[-1] for line in said[:-1]] == [
        "b.wav",
        "d.wav",
        "e.flac",
        "f.wav",
        "g.wav",
    ]
    for line, cause in zip(
        said, ("not audio", "6 channels", "breaks off", "empty", "NaN", "5 of 7 files"), strict=True
    ):
        assert cause in line


def test_when_all_fail_the_code_is_1(tmp_path: Path, chain: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("no")
    assert call(chain, bad, "-o", tmp_path / "out.wav") == 1
    assert call(chain, bad, tmp_path / "none.wav", "-o", tmp_path / "out") == 1
    assert names(tmp_path / "out") == []


def test_resume_does_what_is_missing_or_old(tmp_path: Path, chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    songs, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.wav", "b.wav", "c.wav"):
        write(songs / name)
        os.utime(songs / name, (1e9, 1e9))
    os.utime(chain, (1e9, 1e9))
    assert call(chain, songs, "-o", out) == 0
    (out / "b.wav").unlink()
    os.utime(songs / "c.wav", (4e9, 4e9))  # changed after it was rendered
    capsys.readouterr()
    assert call(chain, songs, "-o", out, "--resume") == 0
    shown = capsys.readouterr()
    assert [Path(line).name for line in shown.out.splitlines()] == ["b.wav", "c.wav"]
    assert "1 of 3 outputs are there already" in shown.err


@pytest.fixture
def in_room(tmp_path: Path) -> Path:
    """A chain in a recorded room; the room lies in ``rooms``."""
    write(tmp_path / "rooms" / "hall.flac", sound(0.4, 2, 32_000, seed=4)[::-1], 32_000)
    EffectChain((Effect("reverb", True, {"wet": 0.3, "predelay_ms": 4.0}, "hall"),)).save(tmp_path / "hall.json")
    return tmp_path / "hall.json"


def test_rooms_of_a_folder(tmp_path: Path, in_room: Path) -> None:
    source = write(tmp_path / "in.wav", sound(4.0), subtype="FLOAT")
    assert call(in_room, source, "-o", tmp_path / "out.wav", "--rooms", tmp_path / "rooms") == 0
    wanted = EffectChain.load(in_room, tmp_path / "rooms").apply(io.read(source)[0], RATE)
    assert np.abs(io.read(tmp_path / "out.wav")[0] - wanted).max() <= 1e-6


def test_a_missing_room_is_said_before_anything_is_done(
    tmp_path: Path, in_room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "in.wav")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "other" / "cellar.wav")
    for options, code, words in (
        ((), 2, ("'hall'", "no folder of rooms was given", "--rooms FOLDER")),
        (("--rooms", tmp_path / "other"), 2, ("'hall'", "other: no impulse response", "cellar.wav", "--rooms FOLDER")),
        (("--rooms", tmp_path / "empty"), 1, ("empty: no impulse responses",)),
        (("--rooms", tmp_path / "nowhere"), 1, ("nowhere: not a folder",)),
    ):
        assert call(in_room, source, "-o", tmp_path / "out" / "x.wav", *options) == code
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1 and all(word in said for word in words)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not RESPONSES.is_dir(), reason="no impulse responses: FXLENS_DATA names the folder that has them")
def test_a_real_room(tmp_path: Path) -> None:
    name = sorted(RESPONSES.glob("*.flac"))[0].stem
    EffectChain((Effect("reverb", True, {"wet": 0.5}, name),)).save(tmp_path / "c.json")
    click = np.zeros((30_000, 2))
    click[100] = 0.5
    source = write(tmp_path / "in.flac", click, 44_100, "PCM_24")
    assert call(tmp_path / "c.json", source, "-o", tmp_path / "out.flac", "--rooms", RESPONSES) == 0
    wet, rate = io.read(tmp_path / "out.flac")
    energy = np.cumsum((wet[:, 100:] ** 2).sum(axis=0)[::-1])[::-1]
    assert rate == 44_100 and not wet[:, :100].any()
    assert energy[2_205] > 1e-4 * energy[0] > energy[-1]  # it rings for longer than 50 ms, and dies away


def test_wrong_calls(tmp_path: Path, chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = write(tmp_path / "a" / "x.wav"), write(tmp_path / "b" / "x.wav")
    assert call(chain, x, y, "-o", tmp_path / "out") == 2
    assert "would both become" in capsys.readouterr().err
    assert call(chain, x, y, "-o", write(tmp_path / "file.wav")) == 1
    assert "must be a folder" in capsys.readouterr().err
    assert call(chain, x, "-o", x) == call(chain, tmp_path / "a", "-o", tmp_path / "a") == 2
    assert call(chain, y, write(tmp_path / "z.wav"), "-o", tmp_path) == 2 and not (tmp_path / "x.wav").exists()
    assert capsys.readouterr().err.count("is the input itself") == 3
    assert call(chain, x, "-o", tmp_path / "y.wav", "--suffix", ".flac") == 2
    assert call(chain, x, y, "-o", tmp_path / "out", "--suffix", ".txt") == 2
    (tmp_path / "nothing").mkdir()
    assert call(chain, tmp_path / "nothing", "-o", tmp_path / "out") == 1
    assert not (tmp_path / "out").exists()
    assert soundfile.info(x).frames == len(sound())


def test_a_silent_file_stays_silent(tmp_path: Path, chain: Path) -> None:
    source = write(tmp_path / "in.wav", np.zeros((RATE, 2)))
    assert call(chain, source, "-o", tmp_path / "out.wav") == 0
    assert not io.read(tmp_path / "out.wav")[0].any()


def test_mono_and_clipping_are_said_once_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    EffectChain((Effect("gain", True, {"gain_db": 12.0}), Effect("distortion", True, {"drive_db": 1.0}))).save(
        tmp_path / "loud.json"
    )
    long = sound(3.0 * BLOCK_FRAMES / RATE, channels=1)
    sources = [write(tmp_path / f"{i}.wav", long, RATE) for i in range(2)]
    assert call(tmp_path / "loud.json", *sources, "-o", tmp_path / "out") == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4 and sum(": mono, " in s for s in said) == sum("were limited" in s for s in said) == 2
