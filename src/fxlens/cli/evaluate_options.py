"""What the commands of ``fxlens evaluate`` have in common: options, the songs, the conditions of work."""

from __future__ import annotations

import re
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fxlens.cli import console
from fxlens.cli.model_option import Device, choose_device
from fxlens.errors import UsageError

if TYPE_CHECKING:
    from fxlens.evaluation.benchmark.conditions import Conditions
    from fxlens.evaluation.benchmark.material import Material


class Ranges(str, Enum):
    """Parameter ranges of chains."""

    default = "default"
    paper = "paper"


class Split(str, Enum):
    """Which songs."""

    evaluation = "evaluation"
    validation = "validation"
    train = "train"


class KeepAudio(str, Enum):
    """Whether rendered clips stay on disk."""

    auto = "auto"
    yes = "yes"
    no = "no"


ManifestOption = Annotated[
    list[Path], typer.Option("--manifest", metavar="M.jsonl", help="From fxlens data prepare; repeatable.")
]
SystemOption = Annotated[
    list[str] | None,
    typer.Option(
        "--system", "-s", metavar="SPEC", help="System to evaluate; repeatable. fxlens evaluate systems lists them.",
        show_default="fxlens",
    ),
]  # fmt: skip
OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="R.json", help="Results to write; those in it already are kept.")
]
CacheOption = Annotated[Path, typer.Option("--cache", help="Folder for clips and embeddings; makes runs resumable.")]
InstrumentOption = Annotated[
    list[str] | None,
    typer.Option(
        "--instrument", "-i", metavar="NAME", help='A class, or any name of stems ("alto saxophone"); repeatable.',
        show_default="all classes of two songs or more",
    ),
]  # fmt: skip
SplitOption = Annotated[Split, typer.Option(help="Songs to evaluate on.")]
TrainOption = Annotated[
    bool,
    typer.Option("--not-an-evaluation", help="Allow --split train: figures on songs that models may have learnt."),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of all that is drawn.")]
RangesOption = Annotated[Ranges, typer.Option(help="Parameter ranges of the chains.")]
StylesOption = Annotated[int, typer.Option(min=2, help="Candidates of every query.")]
SecondsOption = Annotated[float, typer.Option(min=0.5, help="Length of a clip.")]
CountsOption = Annotated[str, typer.Option(help="Numbers of effects, e.g. 1-8 or 1,2,4; balanced over the styles.")]
EachOption = Annotated[
    bool, typer.Option("--each-count", help="So many styles for each number of effects, searched apart.")
]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
KeepOption = Annotated[KeepAudio, typer.Option(help="Keep rendered clips, for further systems; auto: if they fit.")]


class Stages:
    """A progress bar for each stage of the work, one after the other."""

    def __init__(self) -> None:
        self._bar: console.Progress | None = None

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.__exit__()

    def __call__(self, name: str) -> console.Progress:
        self.__exit__()
        self._bar = console.Progress(f" shards ({name})")
        return self._bar


def open_material(
    manifests: list[Path],
    split: Split,
    not_an_evaluation: bool,
    instruments: list[str] | None,
    seconds: float,
    songs: int = 2,
) -> tuple[Material, tuple[str, ...]]:
    """Read the manifests, and decide on the instruments.

    Raises:
        DataError: a manifest cannot be read, or no song is of the split.
        UsageError: training songs without saying that it is no evaluation, or no instrument with so many songs.
    """
    if split is Split.train and not not_an_evaluation:
        raise UsageError(
            "songs of split train may have been learnt by heart; if that is wanted, add --not-an-evaluation"
        )
    from fxlens.evaluation.benchmark.instrument_stems import instruments_with_songs
    from fxlens.evaluation.benchmark.material import load_material

    material = load_material(manifests, split.value)
    chosen = tuple(instruments or instruments_with_songs(material.evaluation, seconds, songs))
    if not chosen:
        raise UsageError(f"no instrument has usable stems of {songs} song(s) of split {split.value}; add a manifest")
    return material, chosen


def make_conditions(
    cache: Path, jobs: int, device: Device, keep_audio: KeepAudio, stages: Stages | None = None
) -> Conditions:
    """How to work, from the options."""
    from fxlens.evaluation.benchmark.conditions import Conditions

    keep = {KeepAudio.auto: None, KeepAudio.yes: True, KeepAudio.no: False}[keep_audio]
    return Conditions(cache, jobs, choose_device(device), keep, stage=stages or Stages(), say=console.say)


_PLACE = re.compile(r"[^,:=\[\]]*/[^,:=\[\]]*")
"""A path, alone or in a spec (fxlens:run/model), a setting (key=path) or a list of them."""


def command_line(program: str = "fxlens") -> str:
    """The command line as typed, without folders: they say nothing elsewhere. Of a run's model the run is told."""
    return " ".join([program, *(_PLACE.sub(_without_folders, word) for word in sys.argv[1:])])


def _without_folders(place: re.Match[str]) -> str:
    path = Path(place[0])
    return f"{path.parent.name}/model" if path.name == "model" else path.name
