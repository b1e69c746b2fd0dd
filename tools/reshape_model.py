"""Give a model another shape, as a start for training that need not begin anew.

    python tools/reshape_model.py MODEL OUT --hidden 112 --wave --statistics

Keeps the hidden units that carry most, by the product of the norms of their weights in and out, in the projection of
the mixture and in that of the extractor. What the embedding loses is printed; a few hundred steps of
``fxlens train --set initial_weights=OUT`` bring it back. ``--wave`` lets the front end measure the wave and
``--statistics`` the bands, too; what is read from them begins at nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from fxlens.models.fx_encoder import FxEncoder


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--hidden", type=int, default=128, help="hidden units that stay")
    parser.add_argument("--wave", action="store_true", help="measure the wave, too")
    parser.add_argument("--statistics", action="store_true", help="measure the bands, too")
    chosen = parser.parse_args()
    encoder = FxEncoder.from_pretrained(chosen.model)
    narrow = reshaped(encoder, chosen.hidden, chosen.wave, chosen.statistics)
    audio = torch.randn(8, 2, 2 * encoder.sample_rate, generator=torch.Generator().manual_seed(0)) * 0.1
    with torch.no_grad():
        cosine = torch.cosine_similarity(encoder.hear(audio).mixture, narrow.hear(audio).mixture).mean()
    narrow.save_pretrained(chosen.output)
    millions = sum(p.numel() for p in narrow.parameters()) / 1e6
    print(f"{chosen.output}: {millions:.2f} M parameters; cosine to the embedding before, of noise: {cosine:.3f}")


def reshaped(encoder: FxEncoder, hidden: int, wave: bool, statistics: bool) -> FxEncoder:
    """The model with ``hidden`` units left in each projection of two layers."""
    _, *others = encoder.config.projection_dims
    frontend = replace(encoder.config.frontend, wave=wave or encoder.config.frontend.wave)
    measures = statistics or encoder.config.statistics
    config = replace(encoder.config, projection_dims=(hidden, *others), frontend=frontend, statistics=measures)
    state = dict(encoder.state_dict())
    for name, module in encoder.named_modules():
        if name.split(".")[-1] == "projection":
            first, last = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
            inner = f"{name}." if name else ""
            order = (first.weight.norm(dim=1) * last.weight.norm(dim=0)).argsort(descending=True)[:hidden].sort().values
            for layer, part, axis in ((first, "weight", 0), (first, "bias", 0), (last, "weight", 1)):
                key = next(k for k, v in encoder.named_parameters() if v is getattr(layer, part))
                assert key.startswith(inner)
                state[key] = state[key].index_select(axis, order)
    narrow = FxEncoder(config)
    narrow.load_state_dict({**narrow.state_dict(), **state})
    return narrow.eval()


if __name__ == "__main__":
    main()
