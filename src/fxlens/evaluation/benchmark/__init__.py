"""Retrieval and extraction: recipes, their clips, the embeddings of every system, the figures."""
