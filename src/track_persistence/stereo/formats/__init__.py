"""One module per calibration format: text in, `RigDraft` out, nothing evaluated and no file opened."""
