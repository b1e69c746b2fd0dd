"""A chain for audio that comes in blocks, in constant memory: the samples of :meth:`EffectChain.apply`.

A file of hours is read, processed and written block by block::

    levels = measure(chain, sample_rate, read)     # read() yields the blocks from the start, each time
    stream = open_stream(chain, sample_rate, levels)
    for block in read():
        write(stream.process(block))
    write(stream.finish())

Some effects wait for what comes next (a look-ahead, a chunk to transform), so fewer samples may come out than
went in; :meth:`ChainStream.finish` returns the rest, and in the end there are as many as went in, none of
them shifted. The distortion calibrates itself to the level of the whole clip, which is why the file is read
before it is processed: twice for each distortion that is on, see :func:`measure`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from fxlens.effects.chain import EffectChain
from fxlens.effects.convolution_reverb import ConvolutionReverb
from fxlens.effects.dynamics import Compressor, Limiter
from fxlens.effects.effect import Effect
from fxlens.effects.equalizer import Equalizer
from fxlens.effects.processor import require_finite
from fxlens.effects.rendering import effect_fault
from fxlens.effects.streaming_convolution import ConvolutionStage, delay_response, reverb_response
from fxlens.effects.streaming_distortion import DistortionLevel, bend, distortion
from fxlens.effects.streaming_multiband import MultibandStage
from fxlens.effects.streaming_stage import Prompt, Stage, nothing
from fxlens.errors import AudioChannelsError, AudioError, AudioNotFiniteError, UsageError

__all__ = ["ChainStream", "DistortionLevel", "measure", "open_stream", "passes"]

Blocks = Iterable[np.ndarray]


def _bends(effect: Effect) -> bool:
    return effect.enabled and effect.type == "distortion" and effect.parameters["drive_db"] > 0.0


def _stage(effect: Effect, sample_rate: int, level: DistortionLevel | None) -> Stage | None:
    """Make the stage of an effect; None where its settings pass everything by, as its reference does."""
    values = effect.parameters
    if effect.type in ("gain", "stereo_imager"):
        # Without memory: the reference does for a block what it does for a clip.
        return Prompt(lambda block: effect.processor.reference(block, sample_rate, **values))
    processor = effect.processor
    if isinstance(processor, Equalizer | Compressor | Limiter):
        return Prompt(processor.onwards(sample_rate, **values))
    if effect.type == "multiband_compressor":
        return MultibandStage(sample_rate, values)
    if isinstance(processor, ConvolutionReverb):
        processor.room(values)  # a recorded one that is not there is an error before the first sample
        return None if values["wet"] == 0.0 else ConvolutionStage(reverb_response(sample_rate, processor, values))
    if effect.type == "delay":
        return None if values["wet"] == 0.0 else ConvolutionStage(delay_response(sample_rate, values))
    if effect.type == "distortion":
        return None if level is None else Prompt(distortion(sample_rate, values, level))
    raise UsageError(f"{effect.type} cannot be streamed; process the whole clip with EffectChain.apply")


class _Line:
    """The first ``count`` effects one after the other (all if not given), in float64; names the one that breaks."""

    def __init__(
        self, effects: Sequence[Effect], sample_rate: int, levels: Sequence[DistortionLevel], count: int | None = None
    ) -> None:
        remaining = iter(levels)
        self._effects = effects
        self._stages: list[tuple[int, Stage]] = []
        for position, effect in enumerate(effects[:count]):
            if effect.enabled:
                stage = _stage(effect, sample_rate, next(remaining) if _bends(effect) else None)
                if stage is not None:
                    self._stages.append((position, stage))

    def process(self, block: np.ndarray) -> np.ndarray:
        return self._through(0, block)

    def finish(self) -> np.ndarray:
        rest = [nothing()]
        for number, (position, stage) in enumerate(self._stages, start=1):
            rest.append(self._through(number, self._checked(position, stage.finish())))
        return np.concatenate(rest, axis=1)

    def run(self, blocks: Blocks) -> Iterator[np.ndarray]:
        """Process a whole clip."""
        for block in blocks:
            yield self.process(_as_float64(block))
        yield self.finish()

    def _through(self, first: int, block: np.ndarray) -> np.ndarray:
        for position, stage in self._stages[first:]:
            if not block.shape[1]:
                return nothing()
            block = self._checked(position, stage.process(block))
        return block

    def _checked(self, position: int, block: np.ndarray) -> np.ndarray:
        if not np.isfinite(block).all():
            raise AudioNotFiniteError(*effect_fault(self._effects, position))
        return block


class ChainStream:
    """A chain at work on one clip; made by :func:`open_stream`."""

    def __init__(self, effects: Sequence[Effect], sample_rate: int, levels: Sequence[DistortionLevel]) -> None:
        self._line = _Line(effects, sample_rate, levels)
        self._finished = False

    def process(self, block: np.ndarray) -> np.ndarray:
        """Take the next samples.

        Args:
            block: ``[2, N]``, floating point; any length, 0 too.

        Returns:
            ``float32 [2, M]``, the samples that are complete by now.

        Raises:
            AudioError: not ``[2, N]`` of floats, or samples that are not finite.
            AudioNotFiniteError: an effect made such samples; the message names it.
            UsageError: the stream was finished.
        """
        if self._finished:
            raise UsageError("this stream is finished; open another one for the next clip")
        return _as_float32(self._line.process(_as_float64(block)))

    def finish(self) -> np.ndarray:
        """Return the rest, ``float32 [2, M]``; nothing can be processed afterwards.

        Raises:
            AudioNotFiniteError, UsageError: as :meth:`process`.
        """
        if self._finished:
            raise UsageError("this stream is finished; open another one for the next clip")
        self._finished = True
        return _as_float32(self._line.finish())


def open_stream(chain: EffectChain, sample_rate: int, levels: Sequence[DistortionLevel] = ()) -> ChainStream:
    """Begin to process a clip that comes in blocks.

    Args:
        chain: what to do with it.
        sample_rate: Hz.
        levels: from :func:`measure`; needed if a distortion of the chain is on.

    Raises:
        UsageError: not as many levels as distortions that are on.
    """
    wanted = sum(map(_bends, chain.effects))
    if len(levels) != wanted:
        raise UsageError(
            f"a distortion must know the level of the whole clip: {wanted} are on, {len(levels)} levels were given; "
            "call measure() first"
        )
    return ChainStream(chain.effects, sample_rate, levels)


def passes(chain: EffectChain) -> int:
    """Return how often a clip is read in all: twice to measure for each distortion that is on, and once more."""
    return 2 * sum(map(_bends, chain.effects)) + 1


def measure(chain: EffectChain, sample_rate: int, read: Callable[[], Blocks]) -> tuple[DistortionLevel, ...]:
    """Find the levels that the distortions of a chain calibrate themselves to.

    For each, the clip is run through the chain up to there twice: for the level of its input, and for that of
    the bent signal.

    Args:
        chain: the chain.
        sample_rate: Hz.
        read: begins to read the clip anew: yields its blocks, ``[2, N]`` of floats. Not called for a chain
            without distortion.

    Returns:
        A level for each distortion that is on, in the order of the chain.

    Raises:
        As :meth:`ChainStream.process`, and whatever ``read`` raises.
    """
    levels: list[DistortionLevel] = []
    for position, effect in enumerate(chain.effects):
        if not _bends(effect):
            continue
        before = _mean_square(_Line(chain.effects, sample_rate, levels, position).run(read()))
        curve = bend(sample_rate, effect.parameters, before)
        blocks = _Line(chain.effects, sample_rate, levels, position).run(read())
        levels.append(DistortionLevel(before, _mean_square(curve(block) for block in blocks)))
    return tuple(levels)


def _mean_square(blocks: Blocks) -> float:
    total, count = 0.0, 0
    for block in blocks:
        total += float(np.sum(block**2))
        count += block.size
    return total / count if count else 0.0


def _as_float64(block: np.ndarray) -> np.ndarray:
    if block.ndim != 2 or block.shape[0] != 2:
        raise AudioChannelsError("effect input", f"it must be [2, N], not {list(block.shape)}")
    if not np.issubdtype(block.dtype, np.floating):
        raise AudioError("effect input", f"it is {block.dtype}; convert it to floats of -1 to 1 first")
    require_finite(block)
    return block.astype(np.float64)


def _as_float32(block: np.ndarray) -> np.ndarray:
    if block.size and np.abs(block).max() > np.finfo(np.float32).max:
        raise AudioNotFiniteError("effect output", "it is too loud for 32-bit floats; lower the gains")
    return block.astype(np.float32)
