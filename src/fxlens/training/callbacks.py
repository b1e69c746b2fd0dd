"""What a run tells and leaves behind: a progress line, metrics, a model folder to use."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from fxlens.errors import MissingExtraError
from fxlens.training.rendering import BackgroundRenderer

try:
    import pytorch_lightning as lightning
    from pytorch_lightning.callbacks import Callback
except ImportError as error:
    raise MissingExtraError("Training", "train") from error


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
