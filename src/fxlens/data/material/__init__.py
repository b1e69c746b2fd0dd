"""Training songs from many sources: which there are, who plays them, and their rendering."""
