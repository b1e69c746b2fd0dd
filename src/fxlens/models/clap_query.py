"""Queries by CLAP, as in the paper (Wu et al., *Large-scale contrastive language-audio pretraining*, 2023).

Frozen, 512 dimensions. Its own feature extractor crops long audio at random; here it never sees more than the
ten seconds it was made for, so there is nothing left to crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor

from fxlens.errors import MissingExtraError, ModelUnavailableError
from fxlens.instruments import BY_NAME, aliases, words_of
from fxlens.models.instrument_query import QueryEncoder, checked_texts, content_id, query_windows

DEFAULT_CHECKPOINT = "laion/clap-htsat-unfused"
SAMPLE_RATE = 48000
WINDOW_SECONDS = 10.0
PROMPT = "this is the sound of {instrument}"
_WINDOWS_AT_ONCE = 8


class ClapQueryEncoder(QueryEncoder):
    """CLAP as a query encoder. Build it with :meth:`load`.

    Args:
        model: a ``ClapModel`` of transformers.
        tokenizer: its tokenizer.
        query_id: name with a hash of the weights.
    """

    def __init__(self, model: Any, tokenizer: Any, query_id: str) -> None:
        super().__init__()
        from transformers import ClapFeatureExtractor

        self.model = model.eval().requires_grad_(False)
        self.query_id = query_id
        self.dim = int(model.config.projection_dim)
        self._tokenizer = tokenizer
        self._extractor = ClapFeatureExtractor(
            frequency_min=50, truncation="rand_trunc", padding="repeatpad", sampling_rate=SAMPLE_RATE
        )

    @classmethod
    def load(cls, place: str = DEFAULT_CHECKPOINT) -> ClapQueryEncoder:
        """Load a checkpoint.

        Args:
            place: a folder with ``config.json``, ``model.safetensors`` and the tokenizer, or a Hub name.

        Raises:
            MissingExtraError: transformers is not installed.
            ModelUnavailableError: no such checkpoint, or it is not a CLAP.
        """
        if find_spec("transformers") is None:
            raise MissingExtraError("A CLAP query", "clap")
        folder = _folder_of(place)  # before the import, which takes seconds
        _require_safetensors(place, folder)
        from transformers import AutoTokenizer, ClapModel

        try:
            model = ClapModel.from_pretrained(folder, use_safetensors=True, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelUnavailableError(
                f"{place} is not a CLAP checkpoint that can be read: {_first_line(error)}. "
                "Expected config.json, model.safetensors and the tokenizer files as transformers saves them"
            ) from error
        name = "clap-" + (folder.name if folder == Path(place) else place.rpartition("/")[2])
        return cls(model, tokenizer, content_id(name, [folder / "config.json", folder / "model.safetensors"]))

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """See :meth:`QueryEncoder.embed_text`; bare instrument names are put into the prompt of the paper."""
        self.model.eval()
        rows = [self._embed_prompt(prompted(text)) for text in checked_texts(texts)]
        return torch.cat(rows) if rows else self._nothing()

    def _embed_prompt(self, prompt: str) -> Tensor:
        tokens = self._tokenizer(prompt, return_tensors="pt", truncation=True, max_length=77)
        known = {name: tokens[name].to(self._device()) for name in ("input_ids", "attention_mask")}
        return _pooled(self.model.get_text_features(**known))

    @torch.no_grad()
    def embed_audio(self, audio: Tensor, sample_rate: int) -> Tensor:
        """See :meth:`QueryEncoder.embed_audio`; longer sounds are the mean over even windows of 10 s."""
        self.model.eval()
        rows = []
        for windows in query_windows(audio, sample_rate, SAMPLE_RATE, WINDOW_SECONDS):
            vectors = torch.cat([self._embed_windows(part) for part in windows.split(_WINDOWS_AT_ONCE)])
            rows.append(F.normalize(vectors.mean(dim=0, keepdim=True), dim=-1))
        return torch.cat(rows) if rows else self._nothing()

    def _embed_windows(self, windows: Tensor) -> Tensor:
        features = self._extractor(
            [window.numpy() for window in windows], sampling_rate=SAMPLE_RATE, return_tensors="pt"
        )
        known = {name: features[name].to(self._device()) for name in ("input_features", "is_longer")}
        return _pooled(self.model.get_audio_features(**known))

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _nothing(self) -> Tensor:
        return torch.zeros(0, self.dim, device=self._device())


def prompted(text: str) -> str:
    """Put a bare instrument name into the prompt; leave every longer text as the caller wrote it.

    >>> prompted("lead_vocals"), prompted("a man singing softly")
    ('this is the sound of lead vocals', 'a man singing softly')
    """
    if words_of(text) not in _bare_names():
        return text
    return PROMPT.format(instrument=" ".join(text.replace("_", " ").replace("-", " ").lower().split()))


def _bare_names() -> set[tuple[str, ...]]:
    return {words_of(alias) for name in BY_NAME for alias in aliases(name)}


def _pooled(output: Any) -> Tensor:
    """transformers 5 returns an object, transformers 4 the tensor itself."""
    return F.normalize(getattr(output, "pooler_output", output).float(), dim=-1)


def _folder_of(place: str) -> Path:
    """The folder itself, or the Hub's copy of it in the cache, downloaded where that is possible."""
    folder = Path(place)
    if folder.is_dir():
        return folder
    advice = (
        f"no folder {place!r} is here and the Hub could not give it. Where there is a network, run "
        f"`hf download {DEFAULT_CHECKPOINT} --local-dir clap`, bring the folder here and name it: 'clap:clap'"
    )
    if folder.is_absolute() or place.count("/") != 1 or place.startswith("."):
        raise ModelUnavailableError(
            f"CLAP is not available: there is no folder {place!r}. Give a folder with config.json, "
            f"model.safetensors and tokenizer files, or a name on the Hub such as {DEFAULT_CHECKPOINT!r}"
        )
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", "model.safetensors"]
    try:
        return Path(snapshot_download(place, allow_patterns=patterns))
    except Exception as error:  # the Hub's errors have no common base: network, name, permission, offline mode
        raise ModelUnavailableError(f"CLAP is not available: {advice} ({_first_line(error)})") from error


def _require_safetensors(place: str, folder: Path) -> None:
    if (folder / "model.safetensors").is_file():
        return
    pickled = (folder / "pytorch_model.bin").is_file()
    raise ModelUnavailableError(
        f"{place} has no model.safetensors"
        + (
            ", only pytorch_model.bin, which could run code when read. Convert it where you trust it: "
            "ClapModel.from_pretrained(...).save_pretrained(folder)"
            if pickled
            else "; expected config.json, model.safetensors and tokenizer files as transformers saves them"
        )
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
