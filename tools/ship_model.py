"""Make what is shipped of what was trained: half the bytes, and where the weights come from.

    python tools/ship_model.py RUN... OUT

takes the model of the last run and writes it as float16, with the runs' seeds and steps, the hash of the songs and the
commit in its ``config.json``. Heads for describing are trained afterwards: they belong to these very weights.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fxlens.config import load
from fxlens.data.manifest import load_manifest
from fxlens.data.multitrack import manifest_hash
from fxlens.errors import FxLensError
from fxlens.evaluation.source_version import source_version
from fxlens.models.fx_encoder import FxEncoder
from fxlens.training.settings import TrainSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of fxlens train, the last one last")
    parser.add_argument("output", type=Path, metavar="OUT", help="model folder to write")
    chosen = parser.parse_args(arguments)
    try:
        encoder = ship(chosen.runs, chosen.output)
    except FxLensError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    size = sum(file.stat().st_size for file in chosen.output.glob("*.safetensors")) / 1e6
    print(f"{chosen.output}: {encoder.model_id}, {size:.1f} MB")
    return 0


def ship(runs: Sequence[Path], output: Path) -> FxEncoder:
    """Write the model of the last run, and read it again.

    Args:
        runs: in the order in which they were trained.
        output: model folder.

    Raises:
        FxLensError: a run is not there, or the folder cannot be written.
    """
    encoder = FxEncoder.from_pretrained(runs[-1] / "model")
    encoder.metadata = origin(runs)
    encoder.save_pretrained(output, dtype="float16")
    return FxEncoder.from_pretrained(output)


def origin(runs: Sequence[Path]) -> dict[str, Any]:
    """Where weights come from, as plain values."""
    settings = [load(TrainSettings, run / "config.yaml", ()) for run in runs]
    songs = [song for path in settings[-1].material.manifests for song in load_manifest(path)]
    return {
        "license": "Apache-2.0",
        "fxlens": source_version(),
        "manifest": manifest_hash(songs),
        "runs": [{"objective": s.objective, "seed": s.seed, "steps": s.steps} for s in settings],
    }


if __name__ == "__main__":
    raise SystemExit(main())
