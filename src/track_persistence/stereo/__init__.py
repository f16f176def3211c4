"""Calibrated two-view geometry: undistortion, association and triangulation with covariance."""
