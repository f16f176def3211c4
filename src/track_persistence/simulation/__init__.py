"""Stereo scenes with objects, ghosts and a detector model, and their ground truth."""
