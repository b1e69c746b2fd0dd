"""Everything a training run is made of, as one configuration file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fxlens.data.augmentation import AugmentSettings
from fxlens.data.dataset import BatchSettings
from fxlens.data.listening import ListeningSettings
from fxlens.data.style_block import BlockSettings
from fxlens.errors import ConfigError
from fxlens.models.fx_encoder import FxEncoderConfig


@dataclass(frozen=True)
class MaterialSettings:
    """Where the sound comes from.

    Args:
        manifests: manifests written by ``fxlens data prepare``; only songs of split ``train`` are trained on, those of
            split ``validation`` steer the effect probabilities.
        rooms: folder of recorded impulse responses; none uses the seeded bank only.
        pool: folder of the rendered pool; by default inside the run.
        instrument_weights: how often blocks of an instrument are rendered; others weigh 1.
        render_jobs: processes that render beside training; 0 expects a filled pool.
    """

    manifests: tuple[Path, ...] = ()
    rooms: Path | None = None
    pool: Path | None = None
    instrument_weights: dict[str, float] = field(default_factory=dict)
    render_jobs: int = 1


@dataclass(frozen=True)
class HeadSettings:
    """Weights of what heads read in the embedding, see :mod:`fxlens.training.heads`; 0 leaves a head out.

    Args:
        effects: of telling which effects there are; in a mixture, which share of its instruments has them.
        parameters: of telling the settings of those that are there, where one instrument plays alone.
        order: of telling which of two comes first, likewise.
        hidden: width of the heads.
    """

    effects: float = 0.0
    parameters: float = 0.0
    order: float = 0.0
    hidden: int = 256

    def __post_init__(self) -> None:
        if min(self.effects, self.parameters, self.order) < 0.0 or self.hidden < 1:
            raise ConfigError("loss.heads: weights are 0 or more, hidden is 1 or more")

    @property
    def any(self) -> bool:
        """Whether there are heads at all."""
        return max(self.effects, self.parameters, self.order) > 0.0


@dataclass(frozen=True)
class LossSettings:
    """Which losses, and how they weigh.

    Args:
        temperature: of all contrastive losses.
        instrument_weight: final weight of the instrument part; the mixture part weighs one less this (Eq. 4).
        ramp_steps: steps over which the instrument part fades in.
        stem_view: also contrast the isolated wet stems, and pull toward them what is extracted, if anything is.
        contrast: weight of all contrastive losses beside the heads; 0 leaves them out.
        memory: how many embeddings of earlier mixtures are negatives, too, see :mod:`fxlens.training.memory`.
        heads: what else the embedding has to say.
        teachers: folders of trained models whose embeddings side by side are a target, see
            :mod:`fxlens.training.joint_hearing`.
        joint_weight: of the cosine to it.
    """

    temperature: float = 0.1
    instrument_weight: float = 0.2
    ramp_steps: int = 10_000
    stem_view: bool = False
    contrast: float = 1.0
    memory: int = 0
    heads: HeadSettings = field(default_factory=HeadSettings)
    teachers: tuple[Path, ...] = ()
    joint_weight: float = 1.0

    def __post_init__(self) -> None:
        if min(self.contrast, self.memory, self.joint_weight) < 0.0:
            raise ConfigError("loss.contrast, loss.memory and loss.joint_weight must be 0 or more")
        if self.contrast == 0.0 and not self.heads.any and not (self.teachers and self.joint_weight):
            raise ConfigError("loss.contrast is 0 and loss.heads has no weight: nothing would be learnt")
        if self.contrast == 0.0 and self.memory:
            raise ConfigError("loss.memory holds negatives, but loss.contrast is 0")

    @property
    def needs_labels(self) -> bool:
        """Whether batches must say what their chains are."""
        return self.heads.any or self.memory > 0


@dataclass(frozen=True)
class LessonSettings:
    """What an extractor that masks is taught, see :mod:`fxlens.training.listening`.

    Args:
        read_from_step: until then only where instruments sound; from then on also what was done to them. Mixtures of
            summed spectra say nothing about that, so not before ``listening.summed.batches``.
        queries: instruments that are asked for in each mixture, at most.
        temperature: of naming the chain among all chains of the instrument.
        where_weight: of the masks of all classes, once reading has begun.
        align_weight: of the cosine to the key.
        absent_weight: of the masks of instruments that are not there.
    """

    read_from_step: int = 1500
    queries: int = 2
    temperature: float = 0.1
    where_weight: float = 3.0
    align_weight: float = 5.0
    absent_weight: float = 0.25


@dataclass(frozen=True)
class OptimizerSettings:
    """Adam with decoupled weight decay, warm-up, cosine."""

    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    warmup_steps: int = 1000
    gradient_clip: float = 1.0
    freeze_norm_from: int | None = None
    """Step from which batch normalisation uses its running statistics in training too. All mixtures of a batch hold the
    same instruments, so batch statistics take out what is common to them, and a single mixture at use has no batch:
    without a last stretch on running statistics the model has never seen its own input."""
    average_decay: float = 0.0
    """Decay of the exponential moving average of the weights; 0 keeps none."""


@dataclass(frozen=True)
class QuerySettings:
    """How queries are made in training.

    Args:
        audio_share: share of groups queried with a dry excerpt instead of a name.
        noise: standard deviation of the noise added to a unit-length query, times sqrt(dim).
    """

    audio_share: float = 0.5
    noise: float = 0.2


@dataclass(frozen=True)
class TrainSettings:
    """One run; ``configs/*.yaml`` holds what differs from these defaults."""

    objective: Literal["contrast", "listening"] = "contrast"
    """``contrast`` learns embeddings of effects from scratch; ``listening`` teaches the extractor of a model that has
    them, ``initial_weights``, to find in a mixture what the model finds in the isolated stem."""
    model: FxEncoderConfig = FxEncoderConfig()
    material: MaterialSettings = MaterialSettings()
    block: BlockSettings = BlockSettings()
    batch: BatchSettings = BatchSettings()
    augment: AugmentSettings = AugmentSettings()
    listening: ListeningSettings = ListeningSettings()
    lesson: LessonSettings = LessonSettings()
    loss: LossSettings = LossSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    query: QuerySettings = QuerySettings()
    initial_weights: Path | None = None
    """Model folder to start from instead of fresh weights; its configuration must be the same, but for the
    extractor."""
    steps: int = 100_000
    stop_at_step: int = 0
    """End before ``steps``, as an interruption would, schedules unchanged; 0 goes to the end."""
    checkpoint_every: int = 100
    log_every: int = 10
    validate_every: int = 500
    validation_blocks: int = 4
    """Blocks per effect, each used alone, that the effect probabilities are steered by; 0 draws all effects alike."""
    seed: int = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    loader_workers: int = 1
    spectrogram_in_loader: bool = False
    """Make log-mel spectrograms in the loader's processes: right where the network runs on the same few cores."""
    torch_threads: int = 0
    """Threads of the network on a CPU; 0 leaves it to torch."""

    def __post_init__(self) -> None:
        crop = self.batch.crop_seconds
        if crop is not None and not 0.0 < crop <= self.block.seconds:
            raise ConfigError(f"batch.crop_seconds is {crop:g}; it must be above 0 and at most block.seconds")
        if self.objective == "listening" and self.initial_weights is None:
            raise ConfigError("objective 'listening' needs initial_weights: the model whose extractor is taught")
        if self.objective == "listening":
            if self.lesson.read_from_step < self.listening.summed.batches:
                raise ConfigError("lesson.read_from_step lies before the end of listening.summed.batches")
            if self.listening.blocks > self.batch.total_blocks:
                raise ConfigError("listening.blocks is larger than batch.total_blocks, which is all that is rendered")
        if self.batch.chains > self.block.chains:
            raise ConfigError(f"batch.chains is {self.batch.chains}, but a block holds {self.block.chains}")
