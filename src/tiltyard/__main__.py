"""`python -m tiltyard`: the same as the `tiltyard` command."""

from tiltyard.cli import main

if __name__ == "__main__":
    main()
