"""Compiled forward and backward passes of the differentiable faces, for the CPU."""
