"""General MIDI files as dry multitracks: one folder a song, one FLAC a part, each played on its own.

Reverb and chorus are switched off and their controllers removed, together with pan and balance: where a part
sits in the stereo field is a decision of the mix, and nothing here should need undoing. What a sample itself
carries (a drum kit recorded in stereo) stays.

Every song is drawn from its own seed (the collection's seed and the song's name), so it comes out the same
whichever others are rendered, in whatever order. A song appears under its name only when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fxlens.audio import io
from fxlens.data.midi.fluidsynth import SAMPLE_RATE, fluidsynth_binary, play, require_soundfont
from fxlens.data.midi.parts import read_parts, write_part
from fxlens.data.midi.song import PlannedStem, RenderSettings, plan_song, song_rng
from fxlens.data.singing.notes import SungNote, read_voice_folder, sing, skyline
from fxlens.errors import AudioSilentError, DataError, OutputError, UsageError

PEAK_DBFS = -3.0
TAIL_SECONDS = 2.0
RECIPE = 1
"""Version of the rendering; part of what makes a finished song valid."""


@dataclass
class RenderReport:
    """What became of a collection: names of songs, and the reason for those that were left out."""

    rendered: list[str] = field(default_factory=list)
    finished_before: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def render_midi(
    midi_path: str | Path,
    out_dir: str | Path,
    soundfont: str | Path,
    settings: RenderSettings | None = None,
    voices: dict[str, tuple[SungNote, ...]] | None = None,
) -> dict[str, Any]:
    """Render one song into ``out_dir``: FLAC stems of equal length and ``song.json``.

    Args:
        midi_path: General MIDI file; its name without extension names the song and chooses its seed.
        out_dir: folder of the song; made where missing.
        soundfont: .sf2 or .sf3 file.
        settings: see :class:`RenderSettings`.
        voices: sung notes by singer (:func:`fxlens.data.singing.notes.read_voice_folder`); None for no vocals.

    Returns:
        What ``song.json`` holds: song, soundfont, stems with file, instrument, program, dry.

    Raises:
        DataError: the file is damaged, or no part of it is long enough.
        FxLensError: fluidsynth or the soundfont is missing.
    """
    midi_path, out_dir = Path(midi_path), Path(out_dir)
    settings = settings or RenderSettings()
    rng = song_rng(midi_path.stem, settings.seed)
    parts = read_parts(midi_path, settings.seconds, settings.start_seconds)
    stems = plan_song(parts, settings, rng, sung=voices is not None)
    if not stems:
        raise DataError(
            f"{midi_path}: no part has {settings.fewest_notes} notes and {settings.least_seconds:g} s "
            f"of sound in {settings.seconds:g} s from second {settings.start_seconds:g}; leave it out"
        )
    end = max(note.end for stem in stems for note in stem.part.notes)
    length = min(end + TAIL_SECONDS, settings.seconds)
    out_dir.mkdir(parents=True, exist_ok=True)
    written = []
    for stem in stems:
        file = out_dir / f"{stem.name}.flac"
        if stem.sung and voices is not None:
            singer = sorted(voices)[int(rng.integers(len(voices)))]
            audio = sing(skyline(stem.part.notes), voices[singer], rng, length)
        else:
            singer = None
            audio = play_part(stem, soundfont, length)
        try:
            write_stem(file, audio)
        except AudioSilentError:
            continue  # a program this soundfont lacks, or a part whose volume is down throughout
        entry = {
            "file": file.name,
            "instrument": stem.casting.instrument,
            "program": None if stem.sung else stem.casting.program,
            "dry": True,
            "channel": stem.part.channel,
            "semitones": stem.casting.semitones,
        }
        written.append(entry | ({"singer": singer} if singer else {}))
    song = {
        "song": midi_path.stem,
        "soundfont": Path(soundfont).name,
        "seconds": round(length, 3),
        "midi_sha256": hashlib.sha256(midi_path.read_bytes()).hexdigest(),
        "recipe": RECIPE,
        "settings": asdict(settings),
        "stems": written,
    }
    (out_dir / "song.json").write_text(json.dumps(song, indent=1) + "\n", encoding="utf-8")
    return song


def play_part(stem: PlannedStem, soundfont: str | Path, seconds: float) -> np.ndarray:
    """Play a planned stem with a soundfont: ``float32 [2, T]``, see :func:`fxlens.data.midi.fluidsynth.play`."""
    with tempfile.TemporaryDirectory(prefix="fxlens-") as folder:
        file = Path(folder) / "part.mid"
        write_part(
            file,
            stem.part.notes,
            stem.casting.program,
            drums=stem.part.drums,
            semitones=stem.casting.semitones,
            controls=stem.part.controls,
            seconds=seconds,
        )
        return play(file, soundfont, seconds)


def write_stem(path: str | Path, audio: np.ndarray, peak_dbfs: float = PEAK_DBFS) -> None:
    """Bring a stem to its peak level and write it as 16-bit FLAC.

    Args:
        path: file to write.
        audio: ``[2, T]`` at 44 100 Hz.
        peak_dbfs: level of the largest sample.

    Raises:
        AudioSilentError: nothing sounds (below -80 dBFS).
        OutputError: the file cannot be written.
    """
    peak = float(np.abs(audio).max(initial=0.0))
    if peak < 1e-4:
        raise AudioSilentError(path, "the rendered stem is silent; the soundfont may lack this program")
    io.write(path, audio * (10.0 ** (peak_dbfs / 20.0) / peak), SAMPLE_RATE, subtype="PCM_16")


def render_collection(
    midi_dir: str | Path,
    out_dir: str | Path,
    soundfonts: Sequence[str | Path],
    voice_dir: str | Path | None = None,
    *,
    settings: RenderSettings | None = None,
    jobs: int = 2,
    progress: Callable[[str, int, int], None] | None = None,
) -> RenderReport:
    """Render every MIDI file of a folder: ``<out>/<song>/<stem>.flac`` and ``song.json``.

    Finished songs are kept, so an interrupted call goes on where it stopped. Files of the same bytes are
    rendered once. A damaged file, or one without a long enough part, is left out and named in the report.

    Args:
        midi_dir: folder with .mid or .midi files, at any depth.
        out_dir: folder of the collection.
        soundfonts: each song draws one.
        voice_dir: sung notes for a vocal stem; None for none.
        settings: see :class:`RenderSettings`.
        jobs: songs rendered at once.
        progress: called with (what happened, songs done, songs in all).

    Raises:
        UsageError: no soundfont, two files of one name, or songs there with other settings.
        DataError: no MIDI file in the folder.
        FxLensError: fluidsynth or a soundfont is missing.
    """
    settings, out_dir, report = settings or RenderSettings(), Path(out_dir), RenderReport()
    if not soundfonts:
        raise UsageError("no soundfont was given; name at least one .sf2 or .sf3 file")
    fluidsynth_binary()
    fonts = [require_soundfont(font) for font in soundfonts]
    voices = read_voice_folder(voice_dir) if voice_dir is not None else None
    files = sorted(p for p in Path(midi_dir).rglob("*") if p.suffix.lower() in (".mid", ".midi") and p.is_file())
    if not files:
        raise DataError(f"{midi_dir}: there is no .mid file in it; check the path")
    todo = _unfinished(files, out_dir, settings, report)
    out_dir.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=max(jobs, 1)) as pool:  # the work is in fluidsynth's processes
        tasks = {pool.submit(_render_song, file, out_dir, fonts, settings, voices): file for file in todo}
        try:
            for done, task in enumerate(as_completed(tasks), start=1):
                message = _told(tasks[task].stem, task, report)
                if progress is not None:
                    progress(message, done, len(todo))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    report.rendered.sort()
    return report


def _unfinished(files: Sequence[Path], out_dir: Path, settings: RenderSettings, report: RenderReport) -> list[Path]:
    """The files still to be rendered; the others go into the report."""
    todo: list[Path] = []
    seen: dict[str, str] = {}
    for file in files:
        if file.stem in [other.stem for other in todo] + report.finished_before:
            raise UsageError(f"{file}: another file is called {file.stem} too; rename one, songs need distinct names")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if digest in seen:
            report.left_out[file.stem] = f"the same bytes as {seen[digest]}"
            continue
        seen[digest] = file.stem
        if _finished(out_dir / file.stem, digest, settings):
            report.finished_before.append(file.stem)
        else:
            todo.append(file)
    return todo


def _told(name: str, task: Future[int], report: RenderReport) -> str:
    """Enter a song that has ended into the report, and say in one line what became of it."""
    try:
        stems = task.result()
    except DataError as problem:
        report.left_out[name] = str(problem)
        return f"{name}: left out ({problem})"
    report.rendered.append(name)
    return f"{name}: {stems} stems"


def _finished(folder: Path, digest: str, settings: RenderSettings) -> bool:
    file = folder / "song.json"
    if not file.is_file():
        return False
    try:
        song = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        song = {}
    if song.get("settings") != asdict(settings) or song.get("recipe") != RECIPE or song.get("midi_sha256") != digest:
        raise UsageError(
            f"{folder}: it was rendered with other settings or from another file; "
            "choose another output folder, or remove this one"
        )
    return True


def _render_song(
    file: Path,
    out_dir: Path,
    fonts: Sequence[Path],
    settings: RenderSettings,
    voices: dict[str, tuple[SungNote, ...]] | None,
) -> int:
    font = fonts[int(song_rng(f"{file.stem}/soundfont", settings.seed).integers(len(fonts)))]
    partial = out_dir / f".{file.stem}.partial-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        song = render_midi(file, partial, font, settings, voices)
        if not song["stems"]:
            raise DataError(f"{file}: every stem came out silent; leave it out")
        os.replace(partial, out_dir / file.stem)
    except OSError as problem:
        raise OutputError(f"{out_dir / file.stem}: cannot be written ({problem}); is the disk full?") from problem
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return len(song["stems"])
