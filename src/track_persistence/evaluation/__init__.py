"""Scenarios and 3D metrics, filter on and off."""
