"""Trees of files as the data sets come: true containers, true metadata, music by fxlens' own synthesiser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import soundfile
import yaml
from PIL import Image

RATE = 44100
Music = dict[str, np.ndarray]  # drums, bass, keys, vocals; float32 [2, T]


@dataclass
class Expected:
    """What a manifest of a tree must say.

    Args:
        stems: (song, stem) -> (instrument class, free name, samples).
        splits: song -> split, where the layout decides it.
        mixtures: song -> what its stems sum up to.
        budget_db: error of the samples read, relative to what was written.
        one_file: a file of one stem (or of the first song) whose damage must be told.
        costs: stems that are lost with it.
        silence_of: replaces a stem by silence.
    """

    root: Path
    stems: dict[tuple[str, str], tuple[str, str, np.ndarray]]
    one_file: Path
    costs: set[tuple[str, str]]
    splits: dict[str, str] = field(default_factory=dict)
    mixtures: dict[str, np.ndarray] = field(default_factory=dict)
    budget_db: float = -110.0  # 24-bit files


def write_wav(path: Path, audio: np.ndarray, rate: int = RATE, subtype: str = "PCM_24") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, rate, subtype=subtype)
    return path


def write_stem_mp4(path: Path, streams: Sequence[np.ndarray], codec: str = "aac", picture: bool = True) -> Path:
    """Mux audio streams and a picture, as MUSDB18 has them: the picture comes last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        tracks = [container.add_stream(codec, rate=RATE, layout="stereo") for _ in streams]
        if codec == "aac":
            for track in tracks:
                track.bit_rate = 256_000
                # Noise that the decoder draws anew after a seek: no part would equal the whole.
                track.options = {"aac_pns": "0", "aac_coder": "fast"}
        cover = container.add_stream("png", rate=1) if picture else None
        if cover is not None:
            cover.width, cover.height, cover.pix_fmt = 16, 16, "rgb24"
        for begin in range(0, streams[0].shape[1], RATE):  # a second of each: interleaved, as players want it
            for track, audio in zip(tracks, streams, strict=True):
                piece = np.ascontiguousarray(audio[:, begin : begin + RATE], np.float32)
                frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
                frame.rate, frame.pts = RATE, begin
                container.mux(track.encode(frame))
        for track in tracks:
            container.mux(track.encode(None))
        if cover is not None:
            container.mux(cover.encode(av.VideoFrame.from_image(Image.new("RGB", (16, 16)))))
            container.mux(cover.encode(None))
    return path


def musdb(root: Path, music: Music) -> Expected:
    named = {"drums": music["drums"], "bass": music["bass"], "other": music["keys"], "vocals": music["vocals"]}
    mixture = np.sum(list(named.values()), axis=0)
    songs = {"train/Änne – Ö - Grün": "train", "train/Leaf - Summerghost": "validation", "test/Bo - Now": "evaluation"}
    first, *others = songs
    one = write_stem_mp4(root / f"{first}.stem.mp4", [mixture, *named.values()])
    for other in others:
        root.joinpath(other).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one, root / f"{other}.stem.mp4")
    titles = {song.split("/", 1)[1]: split for song, split in songs.items()}
    return Expected(
        root,
        {(song, name): (name, name, audio) for song in titles for name, audio in named.items()},
        one,
        {(next(iter(titles)), name) for name in named},
        titles,
        dict.fromkeys(titles, mixture),
        budget_db=-17.0,  # what AAC costs the drums; a shift by one sample costs more
    )


def musdb_hq(root: Path, music: Music) -> Expected:
    named = {"drums": music["drums"], "bass": music["bass"], "other": music["keys"], "vocals": music["vocals"]}
    mixture = np.sum(list(named.values()), axis=0)
    songs = {"train/Änne – Ö - Grün": "train", "train/Young Griffo - Pennies": "validation", "test/Bo": "evaluation"}
    for song in songs:
        for name, audio in {**named, "mixture": mixture}.items():
            write_wav(root / song / f"{name}.wav", audio)
    titles = {song.split("/", 1)[1]: split for song, split in songs.items()}
    return Expected(
        root,
        {(song, name): (name, name, audio) for song in titles for name, audio in named.items()},
        root / next(iter(songs)) / "bass.wav",
        {("Änne – Ö - Grün", "bass")},
        titles,
        dict.fromkeys(titles, mixture),
    )


def _medleydb(root: Path, music: Music) -> dict[str, Music]:
    songs = {"Änne_Grün": "Änne", "Änne_Now": "Änne", "Bo_Bleeds": "Bo", "Cy_Go": "Cy"}
    for song, artist in songs.items():
        folder = root / "Audio" / song
        described = {}
        for number, (instrument, audio) in enumerate(MEDLEYDB_STEMS(music).items(), start=1):
            key = f"{number:02d}"
            raw = f"{song}_RAW_{key}_01.wav"
            write_wav(folder / f"{song}_RAW" / raw, 0.5 * audio[:1])
            write_wav(folder / f"{song}_STEMS" / f"{song}_STEM_{key}.wav", audio)
            names = instrument.split(" and ")
            instruments = names if len(names) > 1 else instrument
            described[f"S{key}"] = {
                "component": "",
                "filename": f"{song}_STEM_{key}.wav",
                "instrument": instruments,
                "raw": {"R01": {"filename": raw, "instrument": instruments}},
            }
        entry = {
            "artist": artist,
            "title": song.split("_")[1],
            "has_bleed": "yes" if song == "Bo_Bleeds" else "no",
            "mix_filename": f"{song}_MIX.wav",
            "stem_dir": f"{song}_STEMS",
            "raw_dir": f"{song}_RAW",
            "stems": described,
        }
        # MedleyDB 1.0 has its metadata beside the audio, 2.0 in a folder of their own.
        place = folder if song == "Änne_Grün" else root / "Metadata"
        place.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(entry, allow_unicode=True)
        place.joinpath(f"{song}_METADATA.yaml").write_text(text, encoding="utf-8")
    return {song: MEDLEYDB_STEMS(music) for song in songs if song != "Bo_Bleeds"}


def MEDLEYDB_STEMS(music: Music) -> Music:
    return {
        "mandolin": music["keys"],
        "alto saxophone": music["vocals"],
        "male singer and male rapper": music["bass"],
        "fx/processed sound": music["drums"],
    }


MEDLEYDB_CLASSES = ("plucked", "saxophone", "vocals", "other")


def medleydb(root: Path, music: Music) -> Expected:
    stems = {
        (song, f"S{i:02d} {name.replace('/', ' ')}"): (instrument, name, audio)
        for song, named in _medleydb(root, music).items()
        for i, (instrument, (name, audio)) in enumerate(zip(MEDLEYDB_CLASSES, named.items(), strict=True), start=1)
    }
    file = root / "Audio" / "Änne_Grün" / "Änne_Grün_STEMS" / "Änne_Grün_STEM_02.wav"
    return Expected(root, stems, file, {("Änne_Grün", "S02 alto saxophone")})


def medleydb_raw(root: Path, music: Music) -> Expected:
    stems = {
        (song, f"S{i:02d}R01 {name.replace('/', ' ')}"): (instrument, name, 0.5 * audio[:1])
        for song, named in _medleydb(root, music).items()
        for i, (instrument, (name, audio)) in enumerate(zip(MEDLEYDB_CLASSES, named.items(), strict=True), start=1)
    }
    file = root / "Audio" / "Änne_Grün" / "Änne_Grün_RAW" / "Änne_Grün_RAW_02_01.wav"
    return Expected(root, stems, file, {("Änne_Grün", "S02R01 alto saxophone")})


def moisesdb(root: Path, music: Music) -> Expected:
    length = music["drums"].shape[1]
    mono, short = music["bass"][:1], music["keys"][:, : length - 30000]
    # stem -> tracks (type, samples, bleed)
    song: dict[str, list[tuple[str, np.ndarray, bool]]] = {
        "drums": [("kick drum", 0.5 * music["drums"], False), ("overheads", 0.5 * music["drums"], False)],
        "bass": [("tuba (bass of brass)", mono, False)],
        "guitar": [("acoustic guitar", music["keys"], False), ("clean electric guitar", 0.5 * short, False)],
        "vocals": [("lead female singer", music["vocals"], False), ("background vocals", 0.3 * mono, True)],
        "other_keys": [("organ, electric organ", short, False)],
    }
    tails = {"drums": music["drums"], "bass": np.repeat(mono, 2, axis=0)}
    cut = music["keys"][:, : length - 30000] + 0.5 * short
    tails |= {"guitar": _padded(cut, length), "other_keys": _padded(short, length)}
    classes = {
        "drums": ("drums", "drums"),
        "bass": ("brass", "tuba (bass of brass)"),
        "guitar": ("electric guitar", "guitar"),
        "other_keys": ("organ", "organ, electric organ"),
    }
    expected = Expected(root, {}, Path(), set())
    songs = (("uuid-1", "Änne", "Grün"), ("uuid-2", "Änne", "Grün"), ("uuid-3", "AC/DC", "T"))
    for uuid, artist, title in songs:
        folder = root / "moisesdb_v0.1" / uuid
        listed = []
        for stem, tracks in song.items():
            entries = []
            for number, (kind, audio, bleed) in enumerate(tracks):
                write_wav(folder / stem / f"{stem}-{number}.wav", audio)
                entries.append({"id": f"{stem}-{number}", "trackType": kind, "extension": "wav", "has_bleed": bleed})
            listed.append({"id": stem, "stemName": stem, "tracks": entries})
        about = {"id": uuid, "artist": artist, "song": title, "genre": "rock", "stems": listed}
        folder.joinpath("data.json").write_text(json.dumps(about), encoding="utf-8")
        name = "AC DC - T" if uuid == "uuid-3" else f"{artist} - {title} ({uuid})"
        expected.stems |= {(name, stem): (*classes[stem], audio) for stem, audio in tails.items()}
        expected.mixtures[name] = np.sum(list(tails.values()), axis=0)
    expected.one_file = root / "moisesdb_v0.1" / "uuid-1" / "guitar" / "guitar-1.wav"
    expected.costs = {("Änne - Grün (uuid-1)", "guitar")}
    return expected


def _padded(audio: np.ndarray, length: int) -> np.ndarray:
    return np.pad(audio, ((0, 0), (0, length - audio.shape[1])))


def folder(root: Path, music: Music) -> Expected:
    for song in ("a/Grün", "b/Now"):
        write_wav(root / song / "bass.wav", music["bass"])
        write_wav(root / song / "lead_vocals.wav", music["vocals"])
        write_wav(root / song / "mixture.wav", music["vocals"])
    stems = {(song, "bass"): ("bass", "", music["bass"]) for song in ("a/Grün", "b/Now")}
    stems |= {(song, "lead_vocals"): ("vocals", "", music["vocals"]) for song in ("a/Grün", "b/Now")}
    return Expected(root, stems, root / "a" / "Grün" / "bass.wav", {("a/Grün", "bass")})


# name -> (kind of the command line, builder)
TREES: dict[str, tuple[str, Callable[[Path, Music], Expected]]] = {
    "folder": ("folder", folder),
    "musdb": ("musdb", musdb),
    "musdb-hq": ("musdb", musdb_hq),
    "medleydb": ("medleydb", medleydb),
    "medleydb-raw": ("medleydb-raw", medleydb_raw),
    "moisesdb": ("moisesdb", moisesdb),
}
