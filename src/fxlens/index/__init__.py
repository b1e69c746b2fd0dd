"""A library of embeddings that can be searched by sound: :class:`fxlens.index.fx_index.FxIndex`."""
