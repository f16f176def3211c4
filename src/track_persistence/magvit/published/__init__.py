"""Encoders of published MagVIT-v2 checkpoints, rebuilt from the tensors that the files hold."""
