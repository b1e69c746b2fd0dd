"""Recorded notes and speech that sing a melody."""
