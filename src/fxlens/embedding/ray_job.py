"""A folder, list or bucket of recordings to parquet files on a Ray cluster.

    python -m fxlens.embedding.ray_job s3://songs/2024 -o s3://embeddings/2024 --actors 32 --gpus 1

Ray Data lists the files and hands their bytes out; every actor holds one model and turns bytes into rows, which are the
rows of ``fxlens embed``. Files that fail have a row without a vector that says why. Blocks are written as they are
finished; the job's output folder holds as many parquet files.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fxlens.audio.io import AUDIO_SUFFIXES
from fxlens.embedding.settings import EmbedSettings
from fxlens.errors import AudioError, FxLensError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from fxlens.embedding.network import Network


class EmbedBytes:
    """What an actor does: a model, loaded once, and batches of whole files.

    Args:
        model: see :meth:`FxEncoder.from_pretrained`; a folder must be there on every machine.
        settings: as for :func:`fxlens.embedding.job.embed_files`.
        device: ``"cuda"``, ``"cpu"``, or ``"auto"`` for the GPU that Ray has given this actor, if it has.
        precision: of the convolutions.
    """

    def __init__(
        self, model: str | None, settings: EmbedSettings, device: str = "auto", precision: str = "float32"
    ) -> None:
        import torch

        from fxlens.embedding.network import Network
        from fxlens.models import encoding
        from fxlens.models.fx_encoder import FxEncoder

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        encoder = FxEncoder.from_pretrained(model, device=device, precision=precision)  # type: ignore[arg-type]
        queries, _ = encoding.query_vectors(encoder, settings.query, settings.query_audio)
        self.network: Network = Network(encoder, [None if queries is None else queries[0]], settings)
        self.model_id, self.query = encoder.model_id, settings.query_name

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """``bytes`` and ``path`` to ``path, start, end, embedding, query, model, error``; with windows, more rows."""
        rows: list[tuple[str, float, float, Any, str]] = []
        for path, content in zip(batch["path"], batch["bytes"], strict=True):
            rows += self._rows(str(path), content)
        path, start, end, vector, error = zip(*rows, strict=True) if rows else ((), (), (), (), ())
        return {
            "path": list(path),
            "start": np.asarray(start, np.float64),
            "end": np.asarray(end, np.float64),
            "embedding": _vectors(vector),
            "query": [self.query] * len(rows),
            "model": [self.model_id] * len(rows),
            "error": list(error),
        }

    def _rows(self, path: str, content: bytes) -> list[tuple[str, float, float, Any, str]]:
        # Decoders want a file, for its suffix and to go back and forth in it; it lies in memory where there is a place.
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="fxlens-", dir=place) as folder:
            file = Path(folder, "song" + Path(path).suffix)
            file.write_bytes(content)
            try:
                vectors, times = self.network.vectors(file)
            except AudioError as error:
                message = f"{type(error).__name__}: {str(error).replace(str(file), path)}"
                return [(path, float("nan"), float("nan"), None, message)]
        return [(path, float(t[0]), float(t[1]), v[0], "") for v, t in zip(vectors, times, strict=True)]


def _vectors(vectors: Sequence[np.ndarray | None]) -> Any:
    import pyarrow

    return pyarrow.array([None if v is None else v.tolist() for v in vectors], pyarrow.list_(pyarrow.float32()))


def embed_with_ray(
    places: Sequence[str],
    output: str,
    settings: EmbedSettings | None = None,
    *,
    model: str | None = None,
    actors: int = 1,
    cpus: float = 1.0,
    gpus: float = 0.0,
    files_at_once: int = 8,
    device: str = "auto",
    precision: str = "float32",
) -> str:
    """Embed what lies in folders or buckets, and write parquet files.

    Args:
        places: files, folders at any depth, or addresses that pyarrow's file systems know (``s3://``, ``gs://``).
        output: folder or address; a job that finds parquet files there stops before it adds to them.
        settings: how.
        model: see :meth:`FxEncoder.from_pretrained`.
        actors: models at work at the same time.
        cpus: cores of each.
        gpus: GPUs of each; a part of one lets actors share it.
        files_at_once: files that are given to an actor together; their bytes lie in its memory.
        device: see :class:`EmbedBytes`.
        precision: see :meth:`FxEncoder.from_pretrained`.

    Returns:
        ``output``.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: nothing to embed, or the output is not empty.
    """
    data = _ray_data()
    if actors < 1 or files_at_once < 1 or cpus < 0 or gpus < 0:
        raise UsageError("actors and files_at_once must be at least 1, cpus and gpus at least 0")
    if not places:
        raise UsageError("nothing to embed: name files, folders or buckets")
    local = Path(output)
    if "://" not in output and local.is_dir() and any(local.glob("*.parquet")):
        raise UsageError(f"{output} holds parquet files already: choose another folder, or remove them")
    suffixes = sorted(suffix.removeprefix(".") for suffix in AUDIO_SUFFIXES)
    try:
        files = data.read_binary_files(list(places), include_paths=True, file_extensions=suffixes)
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(f"{', '.join(places)}: no audio files there ({str(error).splitlines()[0]})") from None
    rows = files.map_batches(
        EmbedBytes,
        fn_constructor_args=(model, settings or EmbedSettings(), device, precision),
        batch_size=files_at_once,
        batch_format="numpy",
        concurrency=actors,
        num_cpus=cpus,
        num_gpus=gpus,
    )
    rows.write_parquet(output)
    return output


def _ray_data() -> Any:
    try:
        import pyarrow  # noqa: F401
        import ray.data
    except ImportError as error:
        raise MissingExtraError("Embedding on a Ray cluster", "ray") from error
    return ray.data


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m fxlens.embedding.ray_job", description="Embed audio with Ray.")
    parser.add_argument("inputs", nargs="+", help="files, folders, or addresses such as s3://bucket/folder")
    parser.add_argument("-o", "--output", required=True, help="folder or address for the parquet files")
    parser.add_argument("-m", "--model", help="folder on every machine, or org/name on the Hub")
    parser.add_argument("-q", "--query", help="the instrument meant, e.g. 'lead vocals'")
    parser.add_argument("--pool", choices=("mean", "none"), default="mean", help="a row for each file, or window")
    parser.add_argument("--hop", type=float, help="seconds from window to window")
    parser.add_argument("-b", "--batch-size", type=int, default=8, help="windows at a time")
    parser.add_argument("--precision", choices=("float32", "bfloat16", "auto"), default="float32")
    parser.add_argument("--actors", type=int, default=1, help="models at work at the same time")
    parser.add_argument("--cpus", type=float, default=1.0, help="cores of each actor")
    parser.add_argument("--gpus", type=float, default=0.0, help="GPUs of each actor, e.g. 0.25")
    parser.add_argument("--files", type=int, default=8, help="files given to an actor together")
    told = parser.parse_args(arguments)
    try:
        settings = EmbedSettings(query=told.query, pool=told.pool, hop_seconds=told.hop, batch_size=told.batch_size)
        place = embed_with_ray(
            told.inputs, told.output, settings,
            model=told.model, actors=told.actors, cpus=told.cpus, gpus=told.gpus, files_at_once=told.files,
            device="auto" if told.gpus else "cpu", precision=told.precision,
        )  # fmt: skip
    except FxLensError as error:
        print(f"fxlens: {error}", file=sys.stderr)
        return error.exit_code
    print(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
