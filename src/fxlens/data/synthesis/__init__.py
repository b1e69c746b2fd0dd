"""Sound out of nothing: oscillators, strings, drums, voices, and songs composed for them."""
