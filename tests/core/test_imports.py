import subprocess
import sys

LOOK = """
import pkgutil, sys
from importlib import import_module
import track_persistence, track_persistence.core, track_persistence.engine
for package in (track_persistence.core, track_persistence.engine):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        import_module(module.name)
print(sorted({"torch", "cv2", "sklearn", "scipy", "openai", "matplotlib"} & set(sys.modules)))
"""


def test_the_core_and_the_engine_load_no_foreign_library() -> None:
    got = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert got.stdout.strip() == "[]"


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    code = "import track_persistence as p; print(hasattr(p, 'Tracker'), 'create_model' in dir(p))"
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert got.stdout.split() == ["False", "True"]
