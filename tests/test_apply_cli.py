"""``fxlens apply``: many files, long files, strange files; what is kept, what is refused, what is left behind."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxlens.audio import io
from fxlens.audio.io import BlockWriter, read_tags
from fxlens.cli import main
from fxlens.effects.chain import EffectChain
from fxlens.effects.effect import Effect
from fxlens.effects.streaming_file import BLOCK_FRAMES, render_file
from fxlens.errors import AudioDecodeError

RATE = 22_050
RESPONSES = Path(os.environ.get("FXLENS_DATA", Path(__file__).parents[2] / "shared" / "data")) / "impulse_responses"
TAGS = {"title": "Grünes Lied 音", "artist": "Someone", "album": "Album", "comment": "mixed", "genre": "Rock"}
CHAIN = EffectChain(
    (
        Effect("multiband_compressor", True, {"mix": 0.5, "mid_threshold_db": -30.0, "mid_ratio": 4.0}),
        Effect("distortion", True, {"drive_db": 8.0}),
        Effect("delay", True, {"time_ms": 90.0, "feedback": 0.3, "wet": 0.3}),
        Effect("reverb", True, {"seed": 3, "decay_seconds": 0.5, "wet": 0.2}),
        Effect("limiter", True, {"threshold_db": -6.0}),
    )
)


def sound(seconds: float = 0.5, channels: int = 2, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Noise that fades in, ``[T, C]``, peak 0.5."""
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (max(1, round(seconds * rate)), channels))
    return noise * np.linspace(0.1, 1.0, len(noise))[:, None]


def write(
    path: Path, audio: np.ndarray | None = None, rate: int = RATE, subtype: str = "PCM_16", tags: Mapping[str, str] = {}
) -> Path:
    audio = sound() if audio is None else audio
    path.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", rate, audio.shape[1], subtype=subtype) as file:
        for name, text in tags.items():
            setattr(file, name, text)
        file.write(audio)
    return path


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    CHAIN.save(tmp_path / "chain.json")
    return tmp_path / "chain.json"


@pytest.fixture
def bypass(tmp_path: Path) -> Path:
    EffectChain().save(tmp_path / "bypass.json")
    return tmp_path / "bypass.json"


def call(*arguments: object) -> int:
    return main(["apply", *map(str, arguments)])


def names(folder: Path) -> list[str]:
    """All files below a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# --- what is kept


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


# --- many files


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


# --- recorded rooms


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


# --- what is refused


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


# --- nothing half-written


def test_interruption_leaves_nothing_half_written(
    tmp_path: Path, chain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    songs, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.wav", "b.wav"):
        write(songs / name, sound(4.0 * BLOCK_FRAMES / RATE))
    old = write(out / "b.wav").read_bytes()
    genuine, calls = BlockWriter.write, []

    def interrupt(writer: BlockWriter, block: np.ndarray) -> None:
        calls.append(block.shape)
        if len(calls) == 8:  # the second file, in its middle
            raise KeyboardInterrupt
        genuine(writer, block)

    monkeypatch.setattr(BlockWriter, "write", interrupt)
    assert call(chain, songs, "-o", out) == 130
    assert "1 of 2 outputs are finished; go on with --resume" in capsys.readouterr().err
    assert names(out) == ["a.wav", "b.wav"] and (out / "b.wav").read_bytes() == old
    assert io.probe(out / "a.wav").frames == 4 * BLOCK_FRAMES


def test_read_only_folder(
    tmp_path: Path, chain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [write(tmp_path / "in" / name) for name in ("a.wav", "b.wav")]

    def deny(*args: object, **kwargs: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("fxlens.audio.block_writer.os.open", deny)
    monkeypatch.setattr("fxlens.audio.block_writer.os.access", lambda path, mode: mode != os.W_OK)
    assert call(chain, *sources, "-o", tmp_path / "out") == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and "(Read-only file system); the folder" in said[0] and "is read-only" in said[0]
    monkeypatch.undo()
    (tmp_path / "file").touch()
    assert call(chain, *sources, "-o", tmp_path / "file" / "out") == 1
    assert "cannot be made" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x.wav", "x.flac"])
def test_full_disk(
    tmp_path: Path, chain: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wav is refused before the work; how large a flac becomes is seen when it no longer fits."""
    resource = pytest.importorskip("resource")
    source = write(tmp_path / "in" / "x.wav", sound(20.0))
    (tmp_path / "out").mkdir()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("fxlens.audio.block_writer.shutil.disk_usage", lambda p: usage._replace(free=20_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # writing really fails
    try:
        assert call(chain, source, "-o", tmp_path / "out" / name) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and f"{name}: cannot be written" in said[0] and "the disk is full" in said[0]
    assert names(tmp_path / "out") == []


def test_a_format_that_an_encoder_refuses_fails_alone(
    tmp_path: Path, chain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [write(tmp_path / "in" / "a.wav", rate=96_000), write(tmp_path / "in" / "b.wav", rate=44_100)]
    assert call(chain, *sources, "-o", tmp_path / "out", "--suffix", ".mp3") == 3
    assert names(tmp_path / "out") == ["b.mp3"]
    assert "a.mp3: cannot be written as MP3" in capsys.readouterr().err


# --- a single file


def test_progress_adds_up_to_the_length(tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", sound(5.0))
    steps: list[float] = []
    render_file(CHAIN, source, tmp_path / "out.wav", advance=steps.append)
    assert sum(steps) == pytest.approx(5.0) and len(steps) == 3 * 2  # two blocks; a distortion reads them thrice


def test_a_file_cut_short_is_an_error_of_the_file(tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", sound(3.0))
    source.write_bytes(source.read_bytes()[:50_000])
    with pytest.raises(AudioDecodeError, match="breaks off"):
        render_file(CHAIN, source, tmp_path / "out.wav")
    assert names(tmp_path) == ["in.wav"]


# --- hours


def sparse_recording(path: Path, hours: float, rate: int = 44_100) -> Path:
    """16-bit stereo with two seconds of noise every ten minutes, and holes in the file between them."""
    size = round(hours * 3600 * rate) * 4
    shape = struct.pack("<IHHIIHH", 16, 1, 2, rate, rate * 4, 4, 16)
    header = struct.pack("<4sI4s4s", b"RIFF", size + 36, b"WAVE", b"fmt ") + shape + struct.pack("<4sI", b"data", size)
    noise = np.random.default_rng(0).integers(-8_000, 8_000, 4 * rate, dtype="<i2").tobytes()
    with path.open("wb") as file:
        file.write(header)
        for start in range(0, size - len(noise), 600 * rate * 4):
            file.seek(len(header) + start)
            file.write(noise)
        file.truncate(len(header) + size)
    return path


@pytest.mark.slow
def test_three_hours_fit_into_less_than_a_gibibyte(tmp_path: Path, chain: Path) -> None:
    psutil = pytest.importorskip("psutil")
    source = sparse_recording(tmp_path / "in.wav", 3.0)
    target = tmp_path / "out.flac"
    process = subprocess.Popen(
        [sys.executable, "-m", "fxlens.cli", "apply", str(chain), str(source), "-o", str(target)]
    )
    watched, most = psutil.Process(process.pid), 0
    while process.poll() is None:
        try:
            most = max(most, watched.memory_info().rss)
            process.wait(0.2)
        except (subprocess.TimeoutExpired, psutil.NoSuchProcess):
            continue
    assert process.returncode == 0
    assert 100e6 < most < 900e6, f"{most / 1e6:.0f} MB"
    assert io.probe(target).frames == io.probe(source).frames == 3 * 3600 * 44_100
    first = io.read(target, 0.0, 5.0)[0]
    later = io.read(target, 6_000.0, 5.0)[0]  # the same noise, ten bursts on: the answer must be the same one
    assert np.abs(first).max() > 0.05 and np.abs(first[:, 5_000:] - later[:, 5_000:]).max() < 1e-2
