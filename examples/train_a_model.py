"""Train a tiny model for a few steps on synthesised stems: every stage of a real run in seconds.

    pip install 'fxlens[train]'
    python examples/train_a_model.py [FOLDER]

The result is a model folder like any other, though it has learnt next to nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fxlens import FxEncoder
from fxlens.data.adapters.folder import prepare
from fxlens.data.dataset import BatchSettings
from fxlens.data.style_block import BlockSettings
from fxlens.data.synthesis.synthetic import synthesize_collection, synthesize_song
from fxlens.models.backbone import BackboneConfig
from fxlens.models.extractor import ExtractorConfig
from fxlens.models.frontend import FrontendConfig
from fxlens.models.fx_encoder import FxEncoderConfig
from fxlens.training.settings import MaterialSettings, OptimizerSettings, TrainSettings

MODEL = FxEncoderConfig(
    name="tiny",
    frontend=FrontendConfig(hop_length=1024, n_mels=32, f_min_hz=30.0, f_max_hz=16000.0, channels="lrms"),
    backbone=BackboneConfig(name="resnet", width=8),
    projection_dims=(32, 16),
    extractor=ExtractorConfig(name="mask"),
    query_encoder="offline",
    query_dim=64,
    window_seconds=1.0,
)


def main(folder: Path) -> FxEncoder:
    """Make songs, measure them, render their stems under chains of effects, train; return the model."""
    from fxlens.training.trainer import train

    songs, manifest = folder / "songs", folder / "manifest.jsonl"
    synthesize_collection(songs, 3, seconds=8.0, seed=1, instruments=("drums", "bass", "keys"))
    prepare(songs, manifest, jobs=1)  # as `fxlens data prepare` does: lengths, loudness, active regions

    settings = TrainSettings(
        model=MODEL,
        material=MaterialSettings(manifests=(manifest,), render_jobs=1),  # clips are rendered beside training
        block=BlockSettings(seconds=1.0, chains=2, n_effects=(1, 3)),
        batch=BatchSettings(
            mixture_groups=2, extraction_groups=2, chains=2, instruments=(1, 3),
            initial_blocks=6, blocks_per_batch=0.0, total_blocks=6, window_blocks=6,
        ),
        optimizer=OptimizerSettings(learning_rate=1e-3, warmup_steps=2),
        steps=4,
        checkpoint_every=2,
        log_every=1,
        validation_blocks=0,
        loader_workers=0,
        accelerator="cpu",
    )  # fmt: skip
    encoder = FxEncoder.from_pretrained(train(settings, folder / "run"))

    stem = synthesize_song(5, 4.0, encoder.sample_rate, instruments="drums")["drums"]
    print(f"{encoder.model_id}: {encoder.encode(stem, encoder.sample_rate, query='drums').shape}")
    return encoder


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "example-training"))
