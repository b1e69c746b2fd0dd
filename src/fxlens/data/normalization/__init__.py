"""Fx-normalisation of all stems of manifests."""
