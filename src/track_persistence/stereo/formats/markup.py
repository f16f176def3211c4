"""Which root element an XML text has; document type definitions are refused, for entities can grow without bound."""

import re

from track_persistence.core.errors import StorageError

COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
ELEMENT = re.compile(r"<([A-Za-z_][\w.:-]*)")


def root_element(text: str) -> str | None:
    """Return the name of the first element, None when `text` is not XML; raises `StorageError` on a DTD."""
    if not text.lstrip("\ufeff \t\r\n").startswith("<"):
        return None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise StorageError("document type definitions and entities are refused; remove <!DOCTYPE ...> from the file")
    found = ELEMENT.search(COMMENT.sub("", text))
    return found.group(1) if found else ""
