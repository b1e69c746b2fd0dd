"""Effects engines of other people, as stand-ins for fxlens in the renderer test; for development only."""
