"""Files in: every way to be broken is named. Files out: whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxlens.audio import io
from fxlens.audio.io import AUDIO_SUFFIXES, ClippingWarning, blocks, probe, read, write
from fxlens.audio.quiet import without_decoder_notes
from fxlens.errors import (
    AudioChannelsError,
    AudioDecodeError,
    AudioEmptyError,
    AudioError,
    AudioMissingError,
    AudioNotFiniteError,
    OutputError,
    UsageError,
)

DATA = Path(os.environ.get("FXLENS_DATA", Path(__file__).parents[3] / "shared" / "data"))
RECORDINGS = sorted(DATA.glob("multitracks/*/*/*.ogg"))
RATE = 44100


def music(seconds: float, channels: int = 2, rate: int = RATE) -> np.ndarray:
    """Decaying notes over a little noise: something that a lossy codec keeps, different at every moment."""
    t = np.arange(round(seconds * rate)) / rate
    notes = 220.0 * 2.0 ** (np.floor(t * 4.0) % 12 / 12.0)
    tone = 0.4 * np.sin(2 * np.pi * notes * t) * np.exp(-4.0 * (t * 4.0 % 1.0))
    dither = 1e-4 * np.random.default_rng(0).standard_normal((channels, t.size))
    return (np.stack([tone * (1.0 - 0.5 * c) for c in range(channels)]) + dither).astype(np.float32)


def error_db(result: np.ndarray, expected: np.ndarray) -> float:
    return float(10.0 * np.log10(np.square(result - expected).mean() / np.square(expected).mean() + 1e-20))


def refused(path: Path, error: type[AudioError], message: str) -> None:
    """All three ways in name the file and the cause."""
    for take in (probe, read, lambda p: list(blocks(p))):
        with pytest.raises(error, match=message) as caught:
            take(path)
        assert str(caught.value).startswith(f"{path}: ")


# ---- round trips

LOSSLESS = [
    ("a.wav", None, "WAV", "FLOAT", 0.0),
    ("a.wav", "DOUBLE", "WAV", "DOUBLE", 0.0),
    ("a.wav", "PCM_16", "WAV", "PCM_16", 1.5 / 2**15),
    ("a.wav", "pcm_24", "WAV", "PCM_24", 1.5 / 2**23),
    ("a.flac", None, "FLAC", "PCM_24", 1.5 / 2**23),
    ("a.FLAC", "PCM_16", "FLAC", "PCM_16", 1.5 / 2**15),
    ("a.aiff", None, "AIFF", "FLOAT", 0.0),
    ("a.w64", None, "W64", "FLOAT", 0.0),
]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("name", "subtype", "kind", "stored", "budget"), LOSSLESS)
def test_lossless_round_trip(
    tmp_path: Path, name: str, subtype: str | None, kind: str, stored: str, budget: float, channels: int
) -> None:
    audio = music(1.0, channels)
    write(tmp_path / name, audio, RATE, subtype)
    result, rate = read(tmp_path / name)
    assert rate == RATE and result.dtype == np.float32 and result.shape == audio.shape
    assert result.flags.c_contiguous
    assert np.abs(result - audio).max() <= budget
    info = probe(str(tmp_path / name))
    assert (info.format, info.subtype, info.channels, info.frames) == (kind, stored, channels, RATE)
    assert (info.path, info.sample_rate, info.duration_seconds) == (tmp_path / name, RATE, 1.0)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("name", "rate"), [("a.ogg", 44100), ("a.mp3", 44100), ("a.opus", 48000)])
def test_lossy_round_trip(tmp_path: Path, name: str, rate: int) -> None:
    audio = music(3.0, rate=rate)
    write(tmp_path / name, audio, rate)
    result, read_rate = read(tmp_path / name)
    assert read_rate == rate and result.shape == audio.shape
    assert error_db(result, audio) < -12.0  # a shift by one sample alone costs more than this at these pitches
    assert probe(tmp_path / name).frames == audio.shape[1]


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.opus", "a.aiff"])
def test_parts_are_slices_of_the_whole(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, music(4.0, rate=48000), 48000)
    whole, rate = read(tmp_path / name)
    for start, duration in [(0.0, 1.0), (0.5, 0.25), (1.23456, 2.0), (3.9, None), (3.0, 60.0)]:
        begin = round(start * rate)
        end = None if duration is None else begin + round(duration * rate)
        part, _ = read(tmp_path / name, start, duration)
        np.testing.assert_allclose(part, whole[:, begin:end], atol=1e-6)
    for start in np.linspace(0.9, 0.999, 5) * whole.shape[1] / rate:  # the last page of an ogg is a trap
        part, _ = read(tmp_path / name, start)
        np.testing.assert_allclose(part, whole[:, round(start * rate) :], atol=1e-6)
    pieces = list(blocks(tmp_path / name, 0.3, 0.5, 2.0))
    assert [p.shape[1] for p in pieces] == [14400] * 6 + [9600]
    np.testing.assert_allclose(np.concatenate(pieces, 1), whole[:, 24000:120000], atol=1e-6)


@pytest.mark.skipif(not RECORDINGS, reason="no recordings: FXLENS_DATA names the folder that has them")
def test_parts_of_a_real_recording() -> None:
    path = min(RECORDINGS, key=lambda p: p.stat().st_size)
    whole, rate = read(path)
    info = probe(path)
    assert whole.shape == (info.channels, info.frames)
    starts = np.random.default_rng(0).uniform(0, info.duration_seconds - 0.5, 4)
    for start in [*starts, info.duration_seconds - 0.3, info.duration_seconds - 0.05]:
        part, _ = read(path, start, 0.4)
        begin = round(start * rate)
        np.testing.assert_allclose(part, whole[:, begin : begin + part.shape[1]], atol=1e-6)


def test_names_in_any_script(tmp_path: Path) -> None:
    path = tmp_path / "Größe & 音楽 'n' 🎛 mix.wav"
    write(path, music(0.1), RATE)
    assert read(path)[0].shape == (2, 4410)
    refused(tmp_path / "не там.wav", AudioMissingError, "no such file")


def test_six_channels_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", music(0.1, 6), RATE)
    assert read(tmp_path / "a.wav")[0].shape == (6, 4410)


def test_suffixes() -> None:
    assert {".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac", ".mp4", ".webm"} <= AUDIO_SUFFIXES
    assert all(s == s.lower() and s.startswith(".") for s in AUDIO_SUFFIXES)


# ---- what is not there


def test_missing_and_empty(tmp_path: Path) -> None:
    refused(tmp_path / "no.wav", AudioMissingError, "there is no such file; check the path")
    refused(tmp_path / "no" / "no.m4a", AudioMissingError, "there is no such file")
    refused(tmp_path, AudioMissingError, "it is a folder")
    refused(Path("a\0b.wav"), AudioMissingError, "it cannot be opened")
    (tmp_path / "zero.wav").touch()
    (tmp_path / "zero.m4a").touch()
    refused(tmp_path / "zero.wav", AudioEmptyError, r"the file is empty \(0 bytes\)")
    refused(tmp_path / "zero.m4a", AudioEmptyError, r"the file is empty \(0 bytes\)")
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), RATE)
    refused(tmp_path / "none.wav", AudioEmptyError, "there are no samples")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    refused(tmp_path / "pipe.wav", AudioMissingError, "not a regular file")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.wav", music(0.1), RATE)

    def deny(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)  # the superuser ignores the permissions of a file
    refused(tmp_path / "a.wav", AudioMissingError, r"it cannot be opened \(Permission denied\)")


@pytest.mark.parametrize("name", ["text.wav", "text.mp3", "text.flac", "text.ogg", "text.m4a", "text.raw", "text"])
def test_text_is_not_audio(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("not a sound at all\n" * 40)
    refused(
        tmp_path / name,
        AudioDecodeError,
        "it is not audio that can be decoded here.*export it as wav or flac",
    )
    with pytest.raises(AudioDecodeError) as caught:
        read(tmp_path / name)
    assert "does not exist" not in str(caught.value)  # which is what libsndfile says of text.mp3
    assert capfd.readouterr().err == ""


def test_times_are_checked(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", music(1.0), RATE)
    with pytest.raises(AudioEmptyError, match=r"nothing from 1.000 seconds on \(it is 1.000 seconds long\)"):
        read(tmp_path / "a.wav", 1.0)
    for arguments in ((-0.1, None), (float("nan"), None), (0.0, 0.0), (0.0, -1.0), (0.0, float("inf"))):
        with pytest.raises(UsageError, match=r"(start|duration)_seconds must be"):
            read(tmp_path / "a.wav", *arguments)
    with pytest.raises(UsageError, match="block_seconds"):
        blocks(tmp_path / "a.wav", 0.0)
    with pytest.raises(AudioDecodeError, match="one audio stream, there is no stream 3"):
        read(tmp_path / "a.wav", stream=3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(tmp_path: Path, value: float) -> None:
    audio = music(2.0)
    audio[1, RATE] = value
    soundfile.write(tmp_path / "a.wav", audio.T, RATE, subtype="FLOAT")
    with pytest.raises(AudioNotFiniteError, match=r"a.wav: it has NaN or infinite samples, the first at 1.000 s"):
        read(tmp_path / "a.wav")
    with pytest.raises(AudioNotFiniteError, match=r"the first at 1.000 seconds"):
        list(blocks(tmp_path / "a.wav", 0.3, 0.2))
    assert read(tmp_path / "a.wav", 0.0, 0.9)[0].shape[1] == round(0.9 * RATE)


# ---- what breaks off


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.w64", "a.rf64", "a.flac", "a.mp3"])
def test_cut_files_say_where(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    steady = np.tile(np.random.default_rng(0).standard_normal((RATE, 2)) * 0.1, (4, 1))
    soundfile.write(tmp_path / name, steady, RATE)
    path = cut(tmp_path / name, 0.5)
    message = r"breaks off after (1\.9|2\.0|2\.1) of 4\.0 seconds.*; copy or export it again"
    for take in (read, lambda p: list(blocks(p, 0.7)), lambda p: read(p, 1.5, 2.0), lambda p: read(p, 3.5)):
        with pytest.raises(AudioDecodeError, match=message) as caught:
            take(path)
        assert str(caught.value).startswith(f"{path}: ")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("name", "share"), [("a.ogg", 0.3), ("a.ogg", 0.9), ("a.opus", 0.6)])
def test_cut_ogg_is_noticed(tmp_path: Path, name: str, share: float) -> None:
    write(tmp_path / name, music(10.0, rate=48000), 48000)
    refused(cut(tmp_path / name, share), AudioDecodeError, r"breaks off after \d\.\d seconds \(the last Ogg page")


def test_a_cut_of_one_byte_is_forgiven(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", music(1.0), RATE, "PCM_16")
    path = tmp_path / "a.wav"
    path.write_bytes(path.read_bytes()[:-1])
    assert read(path)[0].shape == (2, RATE - 1)


def test_headers_without_a_length(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    audio = music(2.0)
    # Writers into a pipe cannot go back: the sizes in a wav stay at their largest, those in a flac at zero.
    for promised in (0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_FF00):
        write(tmp_path / "pipe.wav", audio, RATE, "PCM_16")
        data = bytearray((tmp_path / "pipe.wav").read_bytes())
        at = data.index(b"data") + 4
        data[4:8] = data[at : at + 4] = promised.to_bytes(4, "little")
        (tmp_path / "pipe.wav").write_bytes(data)
        assert read(tmp_path / "pipe.wav")[0].shape == audio.shape

    write(tmp_path / "pipe.flac", audio, RATE)
    whole, _ = read(tmp_path / "pipe.flac")
    data = bytearray((tmp_path / "pipe.flac").read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    (tmp_path / "pipe.flac").write_bytes(data)
    np.testing.assert_array_equal(read(tmp_path / "pipe.flac")[0], whole)
    np.testing.assert_array_equal(np.concatenate(list(blocks(tmp_path / "pipe.flac", 0.3)), 1), whole)
    np.testing.assert_array_equal(read(tmp_path / "pipe.flac", 1.5, 9.0)[0], whole[:, round(1.5 * RATE) :])
    assert probe(tmp_path / "pipe.flac").frames == audio.shape[1]
    with pytest.raises(AudioEmptyError, match=r"nothing from 5.000 seconds on"):
        read(tmp_path / "pipe.flac", 5.0)


@pytest.mark.parametrize(
    ("rate", "channels", "first", "last"),
    [(44100, 2, 0.0, 0.2), (44100, 1, 0.2, 0.0), (22050, 2, 0.0, 0.2), (8000, 1, 0.2, 0.0)],
)
def test_mp3_without_a_length(
    tmp_path: Path, rate: int, channels: int, first: float, last: float, capfd: pytest.CaptureFixture[str]
) -> None:
    # A variable bit rate: what libsndfile guesses from the size of the file is half or four times the length.
    frames = 5 * rate
    audio = np.random.default_rng(0).standard_normal((frames, channels)) * np.linspace(first, last, frames)[:, None]
    soundfile.write(tmp_path / "told.mp3", audio, rate)
    told, _ = read(tmp_path / "told.mp3")
    data = (tmp_path / "told.mp3").read_bytes()
    begin = data.index(data[:2], 4)
    id3 = b"ID3\4\0\0" + bytes((0, 0, 1, 2)) + bytes(130)
    (tmp_path / "bare.mp3").write_bytes(id3 + data[begin:] + b"TAG".ljust(128))

    bare, bare_rate = read(tmp_path / "bare.mp3")
    assert bare_rate == rate and told.shape == (channels, frames)
    delay = bare.shape[1] - frames  # nothing tells the encoder's delay and padding
    assert 0 < delay < 3 * 1152
    part = told[:, rate : rate + 2000]
    assert min(error_db(bare[:, rate + d : rate + d + 2000], part) for d in range(min(delay, 1200))) < -60.0
    assert probe(tmp_path / "bare.mp3").frames == bare.shape[1]
    assert abs(probe(tmp_path / "bare.mp3", exact=False).frames - bare.shape[1]) <= 1152
    part, _ = read(tmp_path / "bare.mp3", 3.0, 0.5)
    np.testing.assert_allclose(part, bare[:, 3 * rate : round(3.5 * rate)], atol=1e-6)
    assert capfd.readouterr().err == ""


def test_damaged_mp3_makes_no_noise(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a.mp3", music(4.0).T, RATE)
    rng = np.random.default_rng(0)
    data = bytearray((tmp_path / "a.mp3").read_bytes())
    for at in range(len(data) // 4, len(data) // 2, 37):
        data[at] = rng.integers(256)
    (tmp_path / "a.mp3").write_bytes(data)
    try:
        read(tmp_path / "a.mp3")
    except AudioDecodeError as error:
        assert "breaks off after" in str(error)
    assert capfd.readouterr().err == ""


def test_other_words_on_stderr_are_late_but_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    def say(text: bytes) -> None:
        with without_decoder_notes():
            os.write(2, text)

    threads = [threading.Thread(target=say, args=(b"worker %d\n" % i,)) for i in range(8)]
    with without_decoder_notes():
        os.write(2, b"Note: Trying to resync...\n[src/libmpg123/layer3.c] error: x\nmine\n")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    os.write(2, b"after\n")
    lines = capfd.readouterr().err.splitlines()
    assert sorted(lines[:-1]) == ["mine", *(f"worker {i}" for i in range(8))] and lines[-1] == "after"


# ---- writing


@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "PCM_16"), ("a.wav", "PCM_24"), ("a.flac", None)])
def test_clipping_is_never_silent(tmp_path: Path, name: str, subtype: str | None) -> None:
    audio = 3.0 * music(0.5)
    with pytest.warns(ClippingWarning, match=r"a\.\w+: peaks of \+1\.\d dBFS were limited") as caught:
        write(tmp_path / name, audio, RATE, subtype)
    assert caught[0].filename == __file__
    np.testing.assert_allclose(read(tmp_path / name)[0], np.clip(audio, -1, 1), atol=1e-4)


def test_float_keeps_peaks(tmp_path: Path) -> None:
    audio = 3.0 * music(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(tmp_path / "a.wav", audio, RATE)
    np.testing.assert_array_equal(read(tmp_path / "a.wav")[0], audio)


def test_one_dimension_is_mono(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", music(0.1)[0], RATE)
    assert read(tmp_path / "a.wav")[0].shape == (1, 4410)


@pytest.mark.parametrize(
    ("name", "audio", "subtype", "error", "message"),
    [
        ("a.m4a", music(0.1), None, UsageError, "cannot write .m4a; use .wav, .flac"),
        ("a", music(0.1), None, UsageError, "cannot write a file without suffix"),
        ("a.flac", music(0.1), "FLOAT", UsageError, "FLAC has no subtype FLOAT; it has .*PCM_24"),
        ("a.wav", music(0.1).T, None, AudioChannelsError, r"\(4410, 2\).*pass array.T"),
        ("a.wav", music(0.1)[None], None, AudioChannelsError, r"pass \[channel, time\]"),
        ("a.wav", np.zeros((2, 0)), None, AudioEmptyError, "no samples to write"),
        ("a.wav", music(0.1) * np.nan, None, AudioNotFiniteError, "NaN or infinite"),
        ("a.wav", np.zeros((2, 9), np.int16), None, UsageError, "samples of type int16"),
        ("a.mp3", music(0.1, 3), None, OutputError, "cannot be written as MP3.*3 channels.*try .wav"),
    ],
)
def test_what_cannot_be_written_is_named(
    tmp_path: Path, name: str, audio: np.ndarray, subtype: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        write(tmp_path / name, audio, RATE, subtype)
    assert str(tmp_path / name) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_take_it(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"x.wav: cannot be written, the folder .*no does not exist; create it"):
        write(tmp_path / "no" / "x.wav", music(0.1), RATE)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is not a folder"):
        write(tmp_path / "file" / "x.wav", music(0.1), RATE)
    (tmp_path / "x.wav").mkdir()
    with pytest.raises(OutputError, match="there is a folder of that name"):
        write(tmp_path / "x.wav", music(0.1), RATE)


def test_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*args: object, **kwargs: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("fxlens.audio.block_writer.os.open", deny)
    monkeypatch.setattr("fxlens.audio.block_writer.os.access", lambda *a: False)
    message = r"x.wav: cannot be written \(Read-only file system\); the folder .* is read-only: choose another"
    with pytest.raises(OutputError, match=message):
        write(tmp_path / "x.wav", music(0.1), RATE)


def test_failing_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = music(0.2)
    write(tmp_path / "x.wav", old, RATE)

    def fail(*args: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("fxlens.audio.block_writer.os.replace", fail)
        with pytest.raises(OutputError, match=r"\(Input/output error\); check permissions and free space"):
            write(tmp_path / "x.wav", music(0.1), RATE)

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fxlens.audio.block_writer.BlockWriter._complete", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "x.wav", music(0.1), RATE)
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]
    np.testing.assert_array_equal(read(tmp_path / "x.wav")[0], old)


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.ogg", "x.mp3"])
def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    resource = pytest.importorskip("resource")
    audio = 0.2 * np.random.default_rng(0).standard_normal((2, 6 * RATE))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("fxlens.audio.block_writer.shutil.disk_usage", lambda p: usage._replace(free=20_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # writing really fails, as on a full disk
    try:
        with pytest.raises(OutputError, match=rf"{name}: cannot be written.*the disk is full: .* are needed"):
            write(tmp_path / name, audio, RATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_new_files_have_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write(tmp_path / "x.wav", music(0.1), RATE)
    assert (tmp_path / "x.wav").stat().st_mode == (tmp_path / "plain").stat().st_mode


# ---- what needs PyAV


def encode(path: Path, codec: str, audio: np.ndarray, rate: int, streams: int = 1, **options: str) -> Path:
    av = pytest.importorskip("av")
    kind = "adts" if path.suffix == ".aac" else None
    with av.open(str(path), "w", format=kind, options=options) as container:
        made = [container.add_stream(codec, rate=rate) for _ in range(streams)]
        for stream in made:
            stream.layout = "stereo" if audio.shape[0] == 2 else "mono"
            stream.bit_rate = 192_000
        for index, stream in enumerate(made):
            frame = av.AudioFrame.from_ndarray(
                audio / (index + 1), format="fltp", layout="stereo" if audio.shape[0] == 2 else "mono"
            )
            frame.sample_rate, frame.pts = rate, 0
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
    return path


@pytest.mark.parametrize(("name", "codec", "rate"), [("a.m4a", "aac", 44100), ("a.webm", "libopus", 48000)])
@pytest.mark.parametrize("channels", [1, 2])
def test_media_round_trip(tmp_path: Path, name: str, codec: str, rate: int, channels: int) -> None:
    audio = music(3.0, channels, rate)
    path = encode(tmp_path / name, codec, audio, rate)
    result, read_rate = read(path)
    assert read_rate == rate and result.dtype == np.float32
    assert result.shape == audio.shape
    assert error_db(result, audio) < -12.0
    info = probe(path)
    assert (info.channels, info.frames, info.streams) == (channels, audio.shape[1], 1)
    assert info.subtype == codec.removeprefix("lib")
    np.testing.assert_array_equal(np.concatenate(list(blocks(path, 0.33)), 1), result)
    assert {p.shape[1] for p in list(blocks(path, 0.25))[:-1]} == {rate // 4}
    for start in (0.7, 1.9, 2.8):
        part, _ = read(path, start, 0.5)
        begin = round(start * rate)
        assert error_db(part, result[:, begin : begin + rate // 2]) < -40.0  # AAC may fill in noise anew


def test_aac_without_a_container(tmp_path: Path) -> None:
    audio = music(3.0)
    path = encode(tmp_path / "a.aac", "aac", audio, RATE)
    result, _ = read(path)
    assert 0 <= result.shape[1] - audio.shape[1] < 3 * 1024  # nothing tells the encoder's delay
    assert probe(path).frames == result.shape[1]


def test_streams_of_a_stem_file(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.stem.mp4", "aac", music(1.0), RATE, streams=5)
    assert probe(path).streams == 5
    first, _ = read(path)
    for index in range(5):
        assert error_db(read(path, stream=index)[0], first / (index + 1)) < -10.0
    with pytest.raises(AudioDecodeError, match="it has 5 audio streams, there is no stream 5"):
        read(path, stream=5)


def test_contents_count_not_the_name(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", "aac", music(1.0), RATE)
    shutil.copy(path, tmp_path / "a.wav")
    np.testing.assert_array_equal(read(tmp_path / "a.wav")[0], read(path)[0])


def test_cut_media(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    audio = music(4.0, rate=48000)
    back = cut(encode(tmp_path / "back.m4a", "aac", audio, 48000), 0.5)  # its table of contents is at the end
    refused(back, AudioDecodeError, "it is damaged .*copy it again")
    front = cut(encode(tmp_path / "front.m4a", "aac", audio, 48000, movflags="faststart"), 0.5)
    webm = cut(encode(tmp_path / "a.webm", "libopus", audio, 48000), 0.5)
    for path in (front, webm):
        for take in (read, lambda p: list(blocks(p)), lambda p: read(p, 3.5)):
            with pytest.raises(AudioDecodeError, match=r"breaks off after [1-2]\.\d of 4\.0 seconds.*again"):
                take(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("name", "what"), [("song.m4a", "AAC"), ("song.webm", "WebM audio"), ("song.wav", "AAC")])
def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str) -> None:
    (tmp_path / name).write_bytes(b"\0\0\0\x20ftypM4A " + bytes(500))
    monkeypatch.setitem(sys.modules, "av", None)
    refused(
        tmp_path / name,
        AudioDecodeError,
        rf"{name}: this installation cannot decode {what}\. pip install 'fxlens\[media\]'$",
    )


def test_importing_does_not_import_pyav() -> None:
    import subprocess

    code = "import sys, fxlens.audio.io; print('av' in sys.modules, 'torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]


def test_errors_know_their_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError) as caught:
        io.read(tmp_path / "no.wav")
    assert caught.value.source == str(tmp_path / "no.wav")
    assert caught.value.problem.startswith("there is no such file")
