"""The persistence transformer, its baselines, training, calibration and checkpoint."""
