"""A file that a library without error handling of its own can write to while the disk fills up."""

import io
from typing import Any


class SteadyFile(io.FileIO):
    """A raw file whose writes never fail; the first error is kept, and raised by `check` and when a `with` ends.

    HDF5 ends the process with a segmentation fault when a write fails while it closes a file. It writes through this
    instead, and sees every write succeed; who owns the file calls `check` between items to stop early.
    """

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of `data`, or drop it after the first error; returns its length in bytes."""
        view = memoryview(data).cast("B")
        done = 0
        while self.error is None and done < len(view):
            try:
                done += super().write(view[done:])  # a nearly full disk takes a part first
            except OSError as error:
                self.error = error
        return len(view)

    def truncate(self, size: Any = None, /) -> int:
        """Set the length to `size` bytes, or do nothing after the first error."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return int(size)

    def check(self) -> None:
        """Raise the first error, if there was one."""
        if self.error is not None:
            raise self.error

    def __exit__(self, *error: Any) -> None:
        """Close the file and raise the first error, which explains every later one."""
        super().__exit__(*error)
        self.check()
