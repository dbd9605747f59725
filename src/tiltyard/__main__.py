"""`tiltyard` and `python -m tiltyard`: hands over to the command line.

Until that is imported (some hundredths of a second), Ctrl+C and its like end the process without a word.
"""

import _signal  # type: ignore[import-not-found]  # built in: `signal` itself is imported long enough to be hit
import os


def main() -> None:
    """The console entry point."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows lacks the last
        number = getattr(_signal, name, None)
        if number is not None and _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, leave)
    from tiltyard.cli import main as command_line

    command_line()


def leave(number: int, frame: object) -> None:
    """An exception would show where it hit, and imports do not all let one pass."""
    os._exit(130)


if __name__ == "__main__":
    main()
