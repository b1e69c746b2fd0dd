"""The whole idea in one run: change one instrument's effects and see which embeddings move."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fxlens.audio import io
from fxlens.demo import picture
from fxlens.demo.chain_words import chain_words
from fxlens.demo.movement import WHOLE, Embedded, apart, embed, moved, yardstick
from fxlens.demo.result import DemoResult
from fxlens.demo.scene import Scene, draw_strong_chain, song_scene
from fxlens.demo.stem_files import stem_scene
from fxlens.effects.chain import EffectChain
from fxlens.errors import MissingExtraError, OutputError, UsageError
from fxlens.models.fx_encoder import FxEncoder
from fxlens.whole_files import whole_file, write_text

__all__ = ["QUERIES", "DemoResult", "run"]

QUERIES = ("vocals", "drums", "bass", "electric guitar", "piano", "synth")
"""What a mixture given as one file is asked for."""


def run(output: Path, inputs: Sequence[Path] = (), model: str | None = None, seed: int = 0) -> DemoResult:
    """Make or take a mixture, embed it whole and for each instrument, and show what differs.

    Without files, a song is synthesised and its stems get known effects; with several, they are the stems of
    one song, named after their instruments, with the effects they were recorded with. For every instrument
    its effects alone are then replaced by other strong ones, and the mixture is embedded again: its own
    embedding should move, those of the others should not. One file alone is a mixture: it is embedded for
    :data:`QUERIES`.

    The table goes to stdout, progress to stderr. Into ``output`` go ``mixture.wav``,
    ``mixture-<instrument>-changed.wav``, ``chains/<instrument>[-changed].json``, ``embeddings.npz`` (a row
    for each window: embedding, path, start, end, query, model), ``result.json`` and ``demo.png``; for one
    file alone the last three.

    Args:
        output: folder, made where missing; files of these names in it are replaced.
        inputs: none, one mixture, or the stems of one song.
        model: as for :meth:`fxlens.models.fx_encoder.FxEncoder.from_pretrained`; None for the shipped one.
        seed: of the song and of the changes.

    Raises:
        ModelUnavailableError: there is no such model.
        AudioError: a file that cannot be used.
        UsageError: a negative seed, a model without extractor, stems whose names say no instrument.
        OutputError: the folder cannot be written.
    """
    if seed < 0:
        raise UsageError(f"seed must be at least 0, not {seed}")
    output, files = Path(output), [Path(path) for path in inputs]
    for path in files:
        io.probe(path, exact=False)  # a missing file is told before a song is synthesised or a model is loaded
    encoder = FxEncoder.from_pretrained(model)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output}: the folder cannot be made ({error.strerror or error})") from error
    result = _mixture(output, files[0], encoder, seed) if len(files) == 1 else _stems(output, files, encoder, seed)
    write_text(output / "result.json", result.to_json())
    print(result.report())
    return result


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _stems(output: Path, files: Sequence[Path], encoder: FxEncoder, seed: int) -> DemoResult:
    rate = encoder.sample_rate
    _say("Reading stems" if files else "Synthesising a song")
    scene = stem_scene(files, rate, say=_say) if files else song_scene(seed, rate)
    instruments = tuple(part.instrument for part in scene.parts)
    changes = _draw_changes(scene, seed)
    wet = scene.wet()
    changed_wet = {p.instrument: p.wet(rate, changes[p.instrument]) for p in scene.parts}
    mixtures = {"mixture.wav": scene.mixture(wet)}
    for name in instruments:
        mixtures[f"mixture-{_slug(name)}-changed.wav"] = scene.mixture(wet | {name: changed_wet[name]})
    embedded: dict[str, Embedded] = {}
    hop = encoder.config.window_seconds / 2.0
    for number, (file, audio) in enumerate(mixtures.items(), start=1):
        _say(f"Embedding {file} ({number} of {len(mixtures)})")
        io.write(output / file, audio, rate)
        embedded[file] = embed(encoder, audio, rate, instruments, hop)
    written = _save_chains(output, scene, changes)
    before, *after = embedded.values()
    lengths, pairs = yardstick(before)
    seconds = mixtures["mixture.wav"].shape[1] / rate
    result = DemoResult(
        output,
        "stems",
        encoder.model_id,
        seed,
        instruments,
        rows=instruments,
        distances=np.stack([moved(before, one) for one in after]),
        yardstick=lengths,
        pairs=pairs,
        windows=len(before.times),
        window_seconds=encoder.config.window_seconds,
        source=_source_words(scene, seconds, seed, bool(files)),
        words={
            p.instrument: (chain_words(p.chain, scene.unchanged), chain_words(changes[p.instrument]))
            for p in scene.parts
        },
        files={Path(file).stem: output / file for file in mixtures} | written,
    )
    result = _save_embeddings(result, embedded)
    return _draw(result, lambda path: picture.draw_movement(result, wet, changed_wet, rate, path))


def _mixture(output: Path, file: Path, encoder: FxEncoder, seed: int) -> DemoResult:
    _say(f"Embedding {file}")
    embedded = embed(encoder, file, None, QUERIES)
    lengths, pairs = yardstick(embedded)
    result = DemoResult(
        output,
        "mixture",
        encoder.model_id,
        seed,
        QUERIES,
        rows=(WHOLE, *QUERIES),
        distances=apart(embedded),
        yardstick=lengths,
        pairs=pairs,
        windows=len(embedded.times),
        window_seconds=encoder.config.window_seconds,
        source=f"{file.name}, embedded whole and for {len(QUERIES)} instruments",
    )
    result = _save_embeddings(result, {str(file): embedded})
    return _draw(result, lambda path: picture.draw_distances(result, file, path))


def _draw_changes(scene: Scene, seed: int) -> dict[str, EffectChain]:
    """Another strong chain for every part, each from its own child of the seed: by the instrument's name."""
    changes = {}
    for part in scene.parts:
        key = int.from_bytes(part.instrument.encode()[:8].ljust(8, b"\0"), "big")
        rng = np.random.default_rng(np.random.SeedSequence([seed, key]))
        present = {effect.type for effect in part.chain.effects}
        changes[part.instrument] = draw_strong_chain(rng, part.is_stereo, present)
    return changes


def _save_chains(output: Path, scene: Scene, changes: dict[str, EffectChain]) -> dict[str, Path]:
    written: dict[str, Path] = {}
    for part in scene.parts:
        for suffix, chain in (("", part.chain), ("-changed", changes[part.instrument])):
            path = output / "chains" / f"{_slug(part.instrument)}{suffix}.json"
            write_text(path, chain.to_json() + "\n")
            written[f"chain-{path.stem}"] = path
    return written


def _save_embeddings(result: DemoResult, embedded: dict[str, Embedded]) -> DemoResult:
    """One row for each recording, window and query, empty for the whole mixture."""
    queries = ("", *result.instruments)
    rows = [(name, *time, query) for name, one in embedded.items() for time in one.times for query in queries]
    names, start, end, query = zip(*rows, strict=True)
    arrays = {
        "embedding": np.concatenate([one.vectors.reshape(-1, one.vectors.shape[-1]) for one in embedded.values()]),
        "path": np.array(names),
        "start": np.array(start, dtype=np.float64),
        "end": np.array(end, dtype=np.float64),
        "query": np.array(query),
        "model": np.array(result.model_id),
    }
    path = result.output / "embeddings.npz"
    with whole_file(path) as scratch:
        np.savez(scratch, allow_pickle=False, **arrays)
    return replace(result, files={**result.files, "embeddings": path})


def _draw(result: DemoResult, draw: picture.Draw) -> DemoResult:
    path = result.output / "demo.png"
    try:
        draw(path)
    except MissingExtraError as error:
        _say(f"No picture: {error}")
        return result
    return replace(result, files={**result.files, "picture": path})


def _source_words(scene: Scene, seconds: float, seed: int, from_files: bool) -> str:
    if not from_files:
        return f"A synthesised song (seed {seed}), {seconds:.0f} s, {len(scene.parts)} stems with known effects"
    rest = " and a rest" if scene.rest is not None else ""
    return (
        f"Stems of {len(scene.parts)} instruments{rest}, from {scene.start_seconds:.0f} s "
        f"to {scene.start_seconds + seconds:.0f} s"
    )


def _slug(name: str) -> str:
    return name.replace(" ", "-")
