"""Compiled loops of the fast faces: float32 audio in place, float64 state, no gradient, no GIL."""
