"""Telling, early and honestly, which 2D tracks of a calibrated camera pair are real objects.

The public names load on first use (PEP 562), so importing `track_persistence.core` never loads torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from track_persistence.classifier.model import create_model
    from track_persistence.classifier.trainer import PersistenceTrainer
    from track_persistence.explain.analyzer import LLMAttentionAnalyzer
    from track_persistence.tracking.filter import PersistenceFilter
    from track_persistence.tracking.tracker import Integrated3DTracker

__all__ = [
    "Integrated3DTracker",
    "LLMAttentionAnalyzer",
    "PersistenceFilter",
    "PersistenceTrainer",
    "create_model",
]

_HOMES = {
    "Integrated3DTracker": "track_persistence.tracking.tracker",
    "LLMAttentionAnalyzer": "track_persistence.explain.analyzer",
    "PersistenceFilter": "track_persistence.tracking.filter",
    "PersistenceTrainer": "track_persistence.classifier.trainer",
    "create_model": "track_persistence.classifier.model",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*globals(), *__all__])
