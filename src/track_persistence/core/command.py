"""What every command line shares: one clear line and exit code 2 for bad input."""

import sys
from collections.abc import Callable

from track_persistence.core.errors import TrackPersistenceError

BAD_INPUT = 2
INTERRUPTED = 130


def run_command(main: Callable[[], None]) -> None:
    """Run `main` and leave the process; a `TrackPersistenceError` prints one line and exits with 2."""
    try:
        main()
    except TrackPersistenceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on from here", file=sys.stderr)
        sys.exit(INTERRUPTED)
