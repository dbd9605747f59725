"""`tiltyard` and `python -m tiltyard`: hands over to the command line.

Until that is imported (some hundredths of a second), Ctrl+C ends the process without a word.
"""

import signal


def main() -> None:
    """The console entry point."""
    asked = signal.getsignal(signal.SIGINT)  # ignored, where a shell started it in the background
    if asked is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tiltyard.cli import main as command_line

    signal.signal(signal.SIGINT, asked)
    command_line()


if __name__ == "__main__":
    main()
