"""The run: Lightning around a task, with a renderer beside it and exact resume.

A run folder holds ``config.yaml`` (every value resolved), ``metrics.csv`` and TensorBoard events, ``checkpoints/``
(for resuming) and ``model/`` (a checkpoint folder to use). An epoch is one checkpoint interval. Batches and random
numbers depend on the step alone, so an interrupted run that resumes has the losses of one that was not.

On several devices (``devices``, torchrun or SLURM) every process has a share of each batch, and losses and batch
normalisation span them all: the run is that of one device with as much memory. The first process alone renders,
validates and writes.
"""

from __future__ import annotations

import copy
import dataclasses
import errno
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from fxlens import config as configuration
from fxlens import file_locks
from fxlens.data.style_pool import write_probabilities
from fxlens.errors import ConfigError, MissingExtraError
from fxlens.models.fx_encoder import FxEncoder
from fxlens.training.callbacks import MetricsFile, ProgressLine, SaveModel
from fxlens.training.contrast import ContrastiveTask
from fxlens.training.curriculum import FxProbabilitySchedule, learning_rate_factor
from fxlens.training.loading import StepSampler
from fxlens.training.objectives import Objective, build_objective
from fxlens.training.precision import choose_precision
from fxlens.training.rendering import BackgroundRenderer
from fxlens.training.settings import TrainSettings
from fxlens.training.shared_batches import OwnTurns, SharedBatches
from fxlens.training.shared_norm import share_statistics
from fxlens.training.task import Task

try:
    import pytorch_lightning as lightning
    from pytorch_lightning.callbacks import ModelCheckpoint
    from pytorch_lightning.loggers import TensorBoardLogger
    from pytorch_lightning.utilities import rank_zero_only
except ImportError as error:  # this module is imported by `fxlens train` only
    raise MissingExtraError("Training", "train") from error


class TrainingModule(lightning.LightningModule):
    """Optimiser, schedule, averaged weights and logging around the task."""

    def __init__(self, settings: TrainSettings, pool: Path, objective: Objective) -> None:
        super().__init__()
        self.settings, self.pool, self.single = settings, pool, objective.single
        self.task: Task = objective.task
        decay = settings.optimizer.average_decay
        self.average: FxEncoder | None = copy.deepcopy(self.task.encoder) if decay > 0 else None
        if self.average is not None:
            self.average.requires_grad_(False).eval()
        self.schedule = FxProbabilitySchedule()
        self.validated = False

    @property
    def encoder(self) -> FxEncoder:
        """The weights to use: averaged where an average is kept."""
        return self.task.encoder if self.average is None else self.average

    def training_step(self, batch: dict[str, Any], index: int) -> torch.Tensor:
        freeze = self.settings.optimizer.freeze_norm_from
        if freeze is not None and self.global_step >= freeze:
            for layer in self.task.modules():
                if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
                    layer.eval()
        named = self.task(batch, self.global_step, self.settings.seed + 7919 * (self.global_step + 1))
        self.log_dict({f"loss/{k}": v.detach() for k, v in named.items()}, batch_size=1)
        return named["total"]

    def on_train_batch_end(self, *_: Any) -> None:
        if self.average is None:
            return
        # A young average would remember the random start for too long.
        decay = min(self.settings.optimizer.average_decay, (1 + self.global_step) / (10 + self.global_step))
        with torch.no_grad():
            for kept, new in zip(
                self.average.state_dict().values(), self.task.encoder.state_dict().values(), strict=True
            ):
                if kept.dtype.is_floating_point:
                    kept.lerp_(new, 1.0 - decay)
                else:
                    kept.copy_(new)

    def on_train_epoch_end(self) -> None:
        every = max(1, self.settings.validate_every // self.settings.checkpoint_every)
        self.validated = bool(self.single) and (self.current_epoch + 1) % every == 0
        if not self.validated:
            return
        assert isinstance(self.task, ContrastiveTask), "only it has pairs of single effects"
        self.task.eval()
        losses = {e: self.task.effect_loss(torch.from_numpy(p).to(self.device)) for e, p in self.single.items()}
        self.task.train()
        probabilities = self.schedule.update(losses)
        write_probabilities(self.pool, probabilities)
        self.log_dict({f"single/{e}": v for e, v in losses.items()})
        self.log_dict({f"probability/{e}": v for e, v in probabilities.items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["effect_losses"] = dict(self.schedule.average)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.schedule.average = dict(checkpoint["effect_losses"])

    def configure_optimizers(self) -> Any:
        o = self.settings.optimizer
        # Weight decay is for matrices; biases and normalisation gains have no scale to shrink.
        learning = [p for p in self.task.parameters() if p.requires_grad]
        matrices = [p for p in learning if p.ndim > 1]
        others = [p for p in learning if p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": o.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=o.learning_rate,
            betas=o.betas,
        )
        factor = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, o.warmup_steps, self.settings.steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": factor, "interval": "step"}}


def train(settings: TrainSettings, run: Path, resume: bool = False) -> Path:
    """Train to the end of ``settings.steps``.

    Args:
        settings: the whole configuration.
        run: folder of the run.
        resume: go on from the newest checkpoint in it.

    Returns:
        The folder of the trained model.

    Raises:
        ConfigError: another number of processes than was started, or a training in ``run`` that is not at its end.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # it advertises; our progress line says enough
    run.mkdir(parents=True, exist_ok=True)
    first, nodes = rank_zero_only.rank == 0, _nodes(settings)  # type: ignore[attr-defined]
    with _alone_in(run) if first else nullcontext():
        return _train(settings, run, resume, first, nodes)


@contextmanager
def _alone_in(run: Path) -> Iterator[None]:
    """Two trainings in one folder would overwrite each other's checkpoints, each believing them its own."""
    lock: AbstractContextManager[object]
    try:
        lock = file_locks.hold(run / ".lock", wait=False)
    except BlockingIOError:
        raise ConfigError(
            f"{run}: another training is at work there; wait for its end, or choose another folder"
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
            raise
        lock = nullcontext()  # some network file systems know no locks: nobody is kept out there
    with lock:
        yield


def _train(settings: TrainSettings, run: Path, resume: bool, first: bool, nodes: int) -> Path:
    if first:
        configuration.dump(settings, run / "config.yaml")
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    lightning.seed_everything(settings.seed, verbose=False)
    pool = settings.material.pool or run / "pool"
    renderer = BackgroundRenderer(pool, settings) if first else None
    with renderer or nullcontext():
        return _fit(settings, run, resume, pool, renderer, nodes)


def _nodes(settings: TrainSettings) -> int:
    """Machines that take part: torchrun and SLURM tell how many processes there are."""
    if "WORLD_SIZE" not in os.environ and not ("SLURM_PROCID" in os.environ and settings.devices > 1):
        return 1
    started = int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS") or 1)
    if started % settings.devices:
        raise ConfigError(f"devices is {settings.devices}, but {started} processes were started: not so many a machine")
    return started // settings.devices


def _loader(settings: TrainSettings, module: TrainingModule, objective: Objective, processes: int) -> Any:
    """What gives this process its batches, in order, from the step that training has reached."""
    epochs = -(-settings.steps // settings.checkpoint_every)
    sampler = StepSampler(settings.checkpoint_every, lambda: module.global_step)
    loader = DataLoader(
        objective.batches(epochs * settings.checkpoint_every),
        batch_size=None,
        sampler=sampler if processes == 1 else OwnTurns(sampler),
        num_workers=settings.loader_workers,
        multiprocessing_context="spawn" if settings.loader_workers else None,
        persistent_workers=settings.loader_workers > 0,
    )
    return loader if processes == 1 else SharedBatches(loader, sampler)


def _fit(
    settings: TrainSettings, run: Path, resume: bool, pool: Path, renderer: BackgroundRenderer | None, nodes: int
) -> Path:
    processes, first = settings.devices * nodes, renderer is not None
    # Single effects are for whoever renders: the first process.
    objective = build_objective(settings if first else dataclasses.replace(settings, validation_blocks=0), pool)
    if processes > 1:
        share_statistics(objective.task, settings.accelerator != "cpu" and torch.cuda.is_available())
    module = TrainingModule(settings, pool, objective)
    last = run / "checkpoints" / "last.ckpt"
    kept = ModelCheckpoint(
        run / "checkpoints", filename="last", save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=True
    )
    told = [MetricsFile(run / "metrics.csv", settings.log_every), ProgressLine(renderer)] if first else []
    trainer = lightning.Trainer(
        max_steps=settings.stop_at_step or settings.steps,
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=nodes,
        # The extractor has no gradient until the curriculum brings it in.
        strategy="ddp_find_unused_parameters_true" if processes > 1 else "auto",
        precision=choose_precision(settings.precision, settings.accelerator),  # type: ignore[arg-type]
        gradient_clip_val=settings.optimizer.gradient_clip,
        logger=TensorBoardLogger(run, name="", version="events"),
        callbacks=[kept, SaveModel(run / "model"), *told],
        log_every_n_steps=settings.log_every,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    with warnings.catch_warnings():
        # Lightning warns of what is meant: few loader processes, modules in evaluation, short epochs.
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
        loader = _loader(settings, module, objective, processes)
        trainer.fit(module, loader, ckpt_path=str(last) if resume and last.exists() else None)
    if trainer.is_global_zero:
        module.encoder.save_pretrained(run / "model")
    return run / "model"
