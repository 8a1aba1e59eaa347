"""How much a command says: ``--quiet``, ``--verbose``, or neither."""

from __future__ import annotations


class Verbosity:
    """What the options of the current command say.

    Attributes:
        quiet: results and errors only.
        verbose: also what libraries warn of, and speed, device and time.
    """

    def __init__(self) -> None:
        self.quiet = self.verbose = False

    def be_quiet(self, value: bool) -> bool:
        """Take the value of ``--quiet``."""
        self.quiet = value
        return value

    def be_verbose(self, value: bool) -> bool:
        """Take the value of ``--verbose``."""
        self.verbose = value
        return value


verbosity = Verbosity()
"""That of the command that runs."""
