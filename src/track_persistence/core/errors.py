"""The one exception tree: everything a user can cause derives from `TrackPersistenceError`."""


class TrackPersistenceError(ValueError):
    """Bad input or a broken promise; the message names place, value, rule and remedy."""


class ParamsError(TrackPersistenceError):
    """A key or value of `params.yaml` breaks a rule."""


class DataError(TrackPersistenceError):
    """A track, scene, calibration or array breaks the data model."""


class StorageError(TrackPersistenceError):
    """A file is missing, truncated, of another schema, or cannot be written."""


class CheckpointError(TrackPersistenceError):
    """A weights file does not fit the architecture it was given to."""


class DeviceError(TrackPersistenceError):
    """A compute device was asked for that this machine does not have."""


class VideoError(TrackPersistenceError):
    """A video or a detections file cannot be used."""


class LanguageModelError(TrackPersistenceError):
    """The language model is not configured, or its answer cannot be used."""
