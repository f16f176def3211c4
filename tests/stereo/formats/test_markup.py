import pytest

from track_persistence.core.errors import StorageError
from track_persistence.stereo.formats.markup import root_element

BOMB = '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaa"><!ENTITY c "&a;&a;&a;">]><calibration>&c;</calibration>'


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('<?xml version="1.0"?>\n<opencv_storage>\n</opencv_storage>', "opencv_storage"),
        ("\ufeff  <!-- made by <hand> -->\n<calibration a='1'/>", "calibration"),
        ("P0: 1 2 3", None),
        ("<", ""),
    ],
)
def test_the_root_is_the_first_element_that_is_no_comment(text: str, name: str | None) -> None:
    assert root_element(text) == name


@pytest.mark.parametrize("text", [BOMB, "<a/><!ENTITY b 'c'>"])
def test_entities_are_refused_unread(text: str) -> None:
    with pytest.raises(StorageError, match="entities are refused"):
        root_element(text)
