"""The recipe of fxlens-small as steps: from recordings and MIDI files to weights to be shipped, and their figures.

Songs, two trainings that learn what effects sound like, a third that makes one model of both, a fourth that learns to
find instruments, half the bytes, heads that describe, and figures on songs that none of it has heard. In small, as a
trial, everything is the same but the sizes; synthesised songs stand in for recordings there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model_steps import Command, Step

from fxlens.cli.train_command import shipped_config
from fxlens.config import read
from fxlens.data.material.sources import SOURCES
from fxlens.describing.figures_page import BEGIN, END
from fxlens.whole_files import write_text

TOOLS = Path(__file__).parent
EVALUATION_SONGS = ("everything-is-free/Francium", "kira/*", "muldjord/chaos_god", "sectoid/Feelings", "vocadito/*")
"""Recordings that no training hears, see docs/data.md."""
SOUNDFONTS = (
    "fluid-soundfont-gm/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "musescore-general-soundfont/usr/share/sounds/sf3/MuseScore_General_Full.sf3",
    "fluidr3mono-gm-soundfont/usr/share/sounds/sf3/FluidR3Mono_GM.sf3",
)
OTHER_SEED = 1001
"""Of the second model: what two hear together is worth something as far as they hear differently."""
SYSTEMS = ("hand-made-wccn", "hand-made", "untrained")
"""What the model is compared with."""
SOME_LEFT_OUT = (0, 3)
"""Codes of what renders songs: some MIDI files are no songs."""


@dataclass(frozen=True)
class Size:
    """How much is made and trained.

    Args:
        songs: of the material; of which kinds, see docs/material.md.
        song_seconds: length of each.
        hours: of songs from MIDI files and of the material that there must be in all.
        training: settings of all trainings, as ``--set`` takes them.
        hearing: of those that learn what effects sound like.
        joint: of the one that makes one of them, besides.
        listening: of the last.
        sessions: that describing learns from, and those it is tried on.
        evaluation: options of ``fxlens evaluate``.
        retrieval: more of them, for that alone.
    """

    songs: int = 400
    song_seconds: float = 80.0
    hours: float = 8.0
    training: tuple[str, ...] = ()
    hearing: tuple[str, ...] = ()
    joint: tuple[str, ...] = ()
    listening: tuple[str, ...] = ()
    sessions: tuple[int, int] = (700, 250)
    evaluation: tuple[str, ...] = ()
    retrieval: tuple[str, ...] = ("--single-effects",)


FULL = Size()
TRIAL = Size(
    songs=3,
    song_seconds=12.0,
    hours=0.0,
    training=(
        "model.window_seconds=2.0",
        "block.seconds=1.5",
        "block.chains=2",
        "batch.total_blocks=16",
        "checkpoint_every=2",
        "log_every=1",
        "steps=6",
        "optimizer.warmup_steps=2",
        "optimizer.freeze_norm_from=5",
    ),
    hearing=(
        "batch.mixture_groups=2",
        "batch.extraction_groups=2",
        "batch.hard_from_batch=2",
        "batch.initial_blocks=12",
        "batch.blocks_per_batch=0.5",
        "batch.window_blocks=16",
        "batch.crop_seconds=1.2",
        "validate_every=4",
        "validation_blocks=1",
    ),
    joint=("optimizer.freeze_norm_from=0", "batch.hard_from_batch=0"),
    listening=(
        "listening.mixtures=4",
        "listening.blocks=14",
        "listening.seconds=1.2",
        "listening.summed.batches=3",
        "listening.summed.mixtures=4",
        "lesson.read_from_step=3",
    ),
    sessions=(14, 6),
    evaluation=("--styles", "6", "--seconds", "2", "--counts", "1-2", "-i", "drums", "-i", "bass", "-i", "vocals"),
    retrieval=(),
)


@dataclass(frozen=True)
class Recipe:
    """The recipe in a place.

    Args:
        work: folder for everything that is made.
        data: folder of the recordings, MIDI files, sung notes and rooms; None: synthesised songs instead of all of
            them, for trials.
        sources: folder of unpacked packages; None in a trial renders no material.
        size: how much.
        jobs: processes.
        settings: of all trainings, on top.
    """

    work: Path
    data: Path | None
    sources: Path | None
    size: Size
    jobs: int
    settings: tuple[str, ...] = ()

    @property
    def model(self) -> Path:
        """What comes out."""
        return self.work / "fxlens-small"

    @property
    def heads_page(self) -> Path:
        """Where the figures of the heads that describe go; a page with marks, see :func:`write_heads_page`."""
        return self.work / "report" / "describe.md"

    def steps(self) -> list[Step]:
        """All of it, in order."""
        return [*self._songs(), *self._hearing(), self._listening(), self._ship(), self._describe(), *self._figures()]

    def _songs(self) -> list[Step]:
        sources, data = self.sources, self.data
        if data is None:
            stand_ins = [
                self._synthesised("real", 4, 1, ("--evaluation", "*-0000", "--evaluation", "*-0001")),
                self._synthesised("midi", 4, 2, ("--validation", "*-0000", "--validation", "*-0001")),
            ]
            return stand_ins if sources is None else [*stand_ins, self._material(sources, None)]
        assert sources is not None, "the whole recipe renders material"
        recordings = self._fxlens("data", "prepare", data / "multitracks", "-o", self._list("real"), "--kind", "folder",
                                  *_each("--evaluation", EVALUATION_SONGS), jobs=True)  # fmt: skip
        voices = ("--voices", data / "voice_samples")
        rendered = self._fxlens(
            "data", "midi", data / "midi" / "freedoom", "-o", self.work / "stems" / "midi", *voices,
            *_each("--soundfont", [sources / place for place in SOUNDFONTS]), jobs=True, codes=SOME_LEFT_OUT,
        )  # fmt: skip
        listed = self._fxlens("data", "prepare", self.work / "stems" / "midi", "-o", self._list("midi"),
                              "--validation-share", "0.11", jobs=True)  # fmt: skip
        fetched = tuple(sources / source.package for source in SOURCES)
        return [
            Step("real", "lists the recordings", (recordings,), (self._list("real"),)),
            Step("sources", "fetches soundfonts, songs, kits and voices",
                 (self._tool("material.py", "fetch", sources),), fetched),
            Step("midi", "renders MIDI files", (rendered, listed), (self._list("midi"),), fetched),
            self._material(sources, data),
        ]  # fmt: skip

    def _synthesised(self, name: str, songs: int, seed: int, splits: Sequence[str]) -> Step:
        folder = self.work / "stems" / name
        made = self._fxlens("data", "synth", "-o", folder, "--songs", songs, "--seconds", self.size.song_seconds,
                            "--seed", seed, jobs=True)  # fmt: skip
        listed = self._fxlens("data", "prepare", folder, "-o", self._list(name), "--kind", "folder", *splits, jobs=True)
        return Step(name, "synthesises songs in place of recordings", (made, listed), (self._list(name),))

    def _material(self, sources: Path, data: Path | None) -> Step:
        more = () if data is None else ("--midi", data / "midi" / "freedoom", "--voices", data / "voice_samples")
        rendered = self._tool(
            "material.py", "all", sources, self.work / "stems" / "material", *more, "--held-out", self._list("midi"),
            "--songs", self.size.songs, "--seconds", self.size.song_seconds, jobs=True, codes=SOME_LEFT_OUT,
        )  # fmt: skip
        counted = self._tool("material.py", "hours", self._list("midi"), self._list("material"),
                             "--at-least", self.size.hours)  # fmt: skip
        return Step("material", "renders the material", (rendered, counted), (self._list("material"),),
                    (self._list("midi"),))  # fmt: skip

    def _hearing(self) -> list[Step]:
        settings = (*self.size.training, *self.size.hearing)
        teachers = [self.work / name / "model" for name in ("small", "small-other")]
        both = (f"initial_weights={teachers[0]}", f"loss.teachers=[{teachers[0]}, {teachers[1]}]")
        return [
            self._training("small", "learns what effects sound like", settings),
            self._training("small", "learns it once more, from another beginning", settings, run="small-other",
                           last=(f"seed={OTHER_SEED}",)),
            self._training("small-joint", "learns what both hear together", (*both, *settings, *self.size.joint),
                           *teachers),
        ]  # fmt: skip

    def _listening(self) -> Step:
        reads = self.work / "small-joint" / "model"
        settings = (f"initial_weights={reads}", *self.size.training, *self.size.listening)
        return self._training("small-listening", "learns to find instruments in mixtures", settings, reads)

    def _training(
        self, config: str, says: str, settings: Sequence[str], *reads: Path, run: str = "", last: Sequence[str] = ()
    ) -> Step:
        name, manifests = run or config, self._manifests()
        placed = [f"material.manifests=[{', '.join(str(m) for m in manifests)}]", f"material.pool={self.work / 'pool'}"]
        if self.data is not None:
            placed.append(f"material.rooms={self.data / 'impulse_responses'}")
        command = Command(
            _words(sys.executable, "-m", "fxlens.cli", "train", "--config", config, "-o", self.work / name,
                   *_each("--set", [*placed, *settings, *self.settings, *last])),
            _words("--set", f"material.render_jobs={self.jobs}"),
            goes_on=(self.work / name / "checkpoints" / "last.ckpt", "--resume"),
        )  # fmt: skip
        decides = {"configuration": json.dumps(read(shipped_config(config)), sort_keys=True)}
        made = self.work / name
        return Step(name, says, (command,), (made / "model",), (*manifests, *reads), decides, own=made)

    def _ship(self) -> Step:
        runs = [self.work / name for name in ("small", "small-other", "small-joint", "small-listening")]
        command = self._tool("ship_model.py", *runs, self.model)
        return Step("ship", "halves the bytes", (command,), (self.model,), (runs[-1] / "model",))

    def _describe(self) -> Step:
        sessions, trial = self.size.sessions
        rooms = () if self.data is None else ("--rooms", self.data / "impulse_responses")
        songs = self._manifests()[:2]
        command = self._fxlens(
            "train-describe", self.model, *_each("--manifest", songs), *rooms, "--work", self.work / "describing",
            "--sessions", sessions, "--trial", trial, "--report", self.heads_page, jobs=True,
        )  # fmt: skip
        made = (self.model / "describe.safetensors", self.model / "describe.json")
        return Step("describe", "trains the heads that describe", (command,), made, (self.model, *songs))

    def _figures(self) -> list[Step]:
        songs, results, report = self._manifests()[:2], self.work / "results.json", self.work / "report"
        asked = (
            *_each("--manifest", songs), "--cache", self.work / "cache", "-o", results, *self.size.evaluation,
            *_each("-s", [f"fxlens:{self.model}", *SYSTEMS]),
        )  # fmt: skip
        commands = (
            self._fxlens("evaluate", "retrieval", *asked, *self.size.retrieval, jobs=True),
            self._fxlens("evaluate", "extraction", *asked, jobs=True),
        )
        tables = self._fxlens("report", results, "-o", report)
        return [
            Step("evaluate", "measures it on songs that it has not heard", commands, (results,), (self.model, *songs)),
            Step("report", "makes tables", (tables,), (report / "table2.md",), (results,)),
        ]

    def _manifests(self) -> list[Path]:
        names = ["real", "midi", *(["material"] if self.sources is not None else [])]
        return [self._list(name) for name in names]

    def _list(self, name: str) -> Path:
        return self.work / "stems" / f"{name}.jsonl"

    def _fxlens(self, *words: object, jobs: bool = False, codes: tuple[int, ...] = (0,)) -> Command:
        return Command(_words(sys.executable, "-m", "fxlens.cli", "-v", *words), self._jobs(jobs), codes)

    def _tool(self, name: str, *words: object, jobs: bool = False, codes: tuple[int, ...] = (0,)) -> Command:
        return Command(_words(sys.executable, TOOLS / name, *words), self._jobs(jobs), codes)

    def _jobs(self, wanted: bool) -> tuple[str, ...]:
        return ("--jobs", str(self.jobs)) if wanted else ()


def write_heads_page(page: Path) -> None:
    """Write the page whose marked part ``fxlens train-describe`` fills, unless it is there.

    Raises:
        OutputError: it cannot be written.
    """
    if not page.exists():
        write_text(page, f"# What is heard of effects\n\n{BEGIN}\n{END}\n")


def _words(*words: object) -> tuple[str, ...]:
    return tuple(f"{word:g}" if isinstance(word, float) else str(word) for word in words)


def _each(option: str, values: Sequence[object]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (option, str(value)))
