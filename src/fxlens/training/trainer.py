"""The run: Lightning around :class:`ContrastiveTask`, with a renderer beside it and exact resume.

A run folder holds ``config.yaml`` (every value resolved), ``metrics.csv`` and TensorBoard events, ``checkpoints/``
(for resuming) and ``model/`` (a checkpoint folder to use). An epoch is one checkpoint interval. Batches and random
numbers depend on the step alone, so an interrupted run that resumes has the losses of one that was not.
"""

from __future__ import annotations

import copy
import logging
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from fxlens import config as configuration
from fxlens.data.dataset import StyleBatches
from fxlens.data.style_pool import write_probabilities
from fxlens.errors import ConfigError, MissingExtraError
from fxlens.models.frontend import FrontendConfig, LogMel
from fxlens.models.fx_encoder import FxEncoder
from fxlens.models.instrument_query import load_query_encoder
from fxlens.training.curriculum import FxProbabilitySchedule, learning_rate_factor
from fxlens.training.rendering import BackgroundRenderer, validation_pairs
from fxlens.training.settings import TrainSettings
from fxlens.training.task import ContrastiveTask

try:
    import pytorch_lightning as lightning
    from pytorch_lightning.callbacks import Callback, ModelCheckpoint
    from pytorch_lightning.loggers import TensorBoardLogger
except ImportError as error:  # this module is imported by `fxlens train` only
    raise MissingExtraError("Training", "train") from error


def choose_precision(wanted: str) -> str:
    """Lightning's name of the arithmetic: bfloat16 where the processor multiplies it natively, else float32."""
    if wanted == "float32":
        return "32-true"
    if wanted == "bfloat16":
        return "bf16-mixed"
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported()
    else:
        cpu = torch.backends.cpu.get_cpu_capability()
        probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
        native = bool(probe()) if probe is not None else "AVX512" in cpu
    return "bf16-mixed" if native else "32-true"


class StepSampler(Sampler[int]):
    """Batch numbers from the step that training has reached, so that a resumed run sees what comes next.

    Args:
        per_epoch: batches in an epoch.
        position: tells the step, asked whenever an epoch begins or goes on.
    """

    def __init__(self, per_epoch: int, position: Callable[[], int]) -> None:
        self.per_epoch, self.position = per_epoch, position

    def __len__(self) -> int:
        return self.per_epoch

    def __iter__(self) -> Iterator[int]:
        start = self.position()
        return iter(range(start, start + self.per_epoch))


class TrainingModule(lightning.LightningModule):
    """Optimiser, schedule, averaged weights and logging around the task."""

    def __init__(self, settings: TrainSettings, pool: Path, single: dict[str, Any]) -> None:
        super().__init__()
        self.settings, self.pool, self.single = settings, pool, single
        queries = load_query_encoder(settings.model.query_encoder) if settings.batch.extraction_groups else None
        encoder = FxEncoder(settings.model)
        if settings.initial_weights is not None:
            given = FxEncoder.from_pretrained(settings.initial_weights)
            if given.config != settings.model:
                raise ConfigError(f"{settings.initial_weights} holds another model than `model:` describes")
            encoder.load_state_dict(given.state_dict())
        self.task = ContrastiveTask(encoder, queries, settings.loss, settings.query)
        decay = settings.optimizer.average_decay
        self.average: FxEncoder | None = copy.deepcopy(self.task.encoder) if decay > 0 else None
        if self.average is not None:
            self.average.requires_grad_(False).eval()
        for kept in (self.task.encoder, self.average):
            if kept is not None and queries is not None:
                kept.attach_query_encoder(queries)  # a checkpoint names the queries it was trained with
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
        matrices = [p for p in self.task.encoder.parameters() if p.ndim > 1]
        others = [p for p in self.task.encoder.parameters() if p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": o.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=o.learning_rate,
            betas=o.betas,
        )
        factor = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, o.warmup_steps, self.settings.steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": factor, "interval": "step"}}


class SpectrogramView:
    """The frontend as a transform of single clips, on one thread: the loader's process has one core."""

    def __init__(self, config: FrontendConfig) -> None:
        self.config = config
        self._logmel: LogMel | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config, "_logmel": None}

    def __call__(self, clip: torch.Tensor) -> torch.Tensor:
        if self._logmel is None:
            self._logmel = LogMel(self.config)
        with torch.no_grad():
            return self._logmel(clip.unsqueeze(0)).squeeze(0)


class ProgressLine(Callback):
    """One line every so often on stderr: where we are, the losses, how long is left."""

    def __init__(self, renderer: BackgroundRenderer | None, every_seconds: float = 20.0) -> None:
        self.renderer, self.every_seconds = renderer, every_seconds
        self._start = self._last = 0.0
        self._first_step = 0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._start = self._last = time.monotonic()
        self._first_step = trainer.global_step

    def on_train_batch_end(self, trainer: lightning.Trainer, module: Any, *_: Any) -> None:
        if self.renderer is not None:
            self.renderer.check()
        now = time.monotonic()
        if now - self._last < self.every_seconds:
            return
        self._last = now
        done = trainer.global_step - self._first_step
        seconds = (now - self._start) / max(1, done)
        left = (module.settings.steps - trainer.global_step) * seconds
        losses = "  ".join(
            f"{k.removeprefix('loss/')} {float(v):.3f}"
            for k, v in trainer.callback_metrics.items()
            if k.startswith("loss/")
        )
        print(
            f"step {trainer.global_step}/{module.settings.steps}  {losses}  {seconds:.2f} s/step, "
            f"{int(left // 3600)}:{int(left % 3600 // 60):02d} h left",
            file=sys.stderr,
            flush=True,
        )


class MetricsFile(Callback):
    """``metrics.csv``: step, name, value. Grows over interruptions; what lies beyond a resumed step is cut off."""

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        kept = ["step,name,value"]
        if trainer.global_step and self.path.exists():
            rows = self.path.read_text(encoding="utf-8").splitlines()[1:]
            kept += [r for r in rows if int(r.split(",", 1)[0]) <= trainer.global_step]
        self.path.write_text("\n".join(kept) + "\n", encoding="utf-8")

    def on_train_batch_end(self, trainer: lightning.Trainer, module: Any, *_: Any) -> None:
        if trainer.global_step % self.every == 0:
            self._write(trainer, ("loss/",))

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        if module.validated:
            self._write(trainer, ("single/", "probability/"))

    def _write(self, trainer: lightning.Trainer, prefixes: tuple[str, ...]) -> None:
        values = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith(prefixes)}
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"{trainer.global_step},{k},{v!r}\n" for k, v in values.items())


class SaveModel(Callback):
    """After every epoch, the usable checkpoint folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        if trainer.is_global_zero:
            module.encoder.save_pretrained(self.folder)


def train(settings: TrainSettings, run: Path, resume: bool = False) -> Path:
    """Train to the end of ``settings.steps``.

    Args:
        settings: the whole configuration.
        run: folder of the run.
        resume: go on from the newest checkpoint in it.

    Returns:
        The folder of the trained model.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # it advertises; our progress line says enough
    run.mkdir(parents=True, exist_ok=True)
    configuration.dump(settings, run / "config.yaml")
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    lightning.seed_everything(settings.seed, verbose=False)
    pool = settings.material.pool or run / "pool"
    single = validation_pairs(pool / "validation", settings) if settings.validation_blocks else {}
    module = TrainingModule(settings, pool, single)
    epochs = -(-settings.steps // settings.checkpoint_every)
    batches = StyleBatches(
        pool,
        settings.batch,
        settings.seed,
        epochs * settings.checkpoint_every,
        settings.block.sample_rate,
        SpectrogramView(settings.model.frontend) if settings.spectrogram_in_loader else None,
    )
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=StepSampler(settings.checkpoint_every, lambda: module.global_step),
        num_workers=settings.loader_workers,
        multiprocessing_context="spawn" if settings.loader_workers else None,
        persistent_workers=settings.loader_workers > 0,
    )
    last = run / "checkpoints" / "last.ckpt"
    renderer = BackgroundRenderer(pool, settings)
    trainer = lightning.Trainer(
        max_steps=settings.stop_at_step or settings.steps,
        accelerator=settings.accelerator,
        devices=settings.devices,
        precision=choose_precision(settings.precision),  # type: ignore[arg-type]
        gradient_clip_val=settings.optimizer.gradient_clip,
        logger=TensorBoardLogger(run, name="", version="events"),
        callbacks=[
            ModelCheckpoint(
                run / "checkpoints",
                filename="last",
                save_top_k=1,
                enable_version_counter=False,
                save_on_train_epoch_end=True,
            ),
            SaveModel(run / "model"),
            MetricsFile(run / "metrics.csv", settings.log_every),
            ProgressLine(renderer),
        ],
        log_every_n_steps=settings.log_every,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    with renderer:
        trainer.fit(module, loader, ckpt_path=str(last) if resume and last.exists() else None)
    module.encoder.save_pretrained(run / "model")
    return run / "model"
