"""The 3D side against its peers and its bounds; run `python -m benchmarks.stereo`."""
