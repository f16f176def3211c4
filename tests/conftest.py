"""Which tests share a worker process: those of a file, and all that read the run of the tiny pipeline."""

import pytest

PIPELINE = "pipeline"


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group the tests; with several workers one begins with the tiny pipeline, which takes as long as all the rest."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(PIPELINE if _reads_pipeline(item) else str(item.path)))
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
    if config.getoption("numprocesses", None):
        items.sort(key=lambda item: not _reads_pipeline(item))


def _reads_pipeline(item: pytest.Item) -> bool:
    return PIPELINE in getattr(item, "fixturenames", ())
