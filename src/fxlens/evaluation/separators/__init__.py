"""Separators that take one instrument out of a mixture, for separate-then-embed."""
