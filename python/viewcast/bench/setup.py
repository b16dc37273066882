# SPDX-License-Identifier: Apache-2.0
"""What all sections are given: what to convert, how often, and where to say what not."""

from dataclasses import dataclass, field

from .images import Images, Missing
from .ways import CONVERSIONS


@dataclass
class Setup:
    conversions: list = field(default_factory=lambda: list(CONVERSIONS))
    rounds: int = 25
    calls: int = 5_000
    threads: tuple = ()
    millions: float = 0
    images: Images = field(default_factory=Images)
    skipped: list = field(default_factory=list)

    def number(self, share=1):
        return max(1, round(self.calls * share))

    def each(self, make):
        """Pairs of a conversion and make(conversion, images), where that is possible."""
        for conversion in self.conversions:
            try:
                yield conversion, make(conversion, self.images)
            except Missing as reason:
                self.skip(conversion.name, str(reason))

    def skip(self, what, reason):
        entry = {"what": what, "why": reason}
        if entry not in self.skipped:
            self.skipped.append(entry)
