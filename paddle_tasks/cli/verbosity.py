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
        """Take the value of ``--quiet``, which stands before or behind the command; return what holds."""
        self.quiet = self.quiet or value
        return self.quiet

    def be_verbose(self, value: bool) -> bool:
        """Take the value of ``--verbose``, which stands before or behind the command; return what holds."""
        self.verbose = self.verbose or value
        return self.verbose

    def reset(self) -> None:
        """Forget the options of the command before."""
        self.quiet = self.verbose = False


verbosity = Verbosity()
"""That of the command that runs."""
