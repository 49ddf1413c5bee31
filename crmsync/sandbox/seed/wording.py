"""What people read in the seeded portal: company names, addresses, telephone numbers, what was said when."""

import random
import unicodedata

from crmsync.sandbox.seed.people import BRANCHES, COMPANY_TAILS, LEGAL_FORMS, PHRASES
from crmsync.sandbox.times import DAY, HOUR

_FOLDED = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "đ": "d"})
_PROVIDERS = ("mail.example", "post.example", "inbox.example")
_THURSDAY = 3
"""The first day of the epoch, counted from Monday."""


def plain(text: str) -> str:
    """Letters and digits of an address: lower case, no accents, words joined by hyphens."""
    folded = unicodedata.normalize("NFKD", text.lower().translate(_FOLDED))
    kept = "".join(letter for letter in folded if letter.isascii() and (letter.isalnum() or letter in " -"))
    return "-".join(kept.split())


def company_name(head: str, tail: str, industry: str, id_: int) -> str:
    """A name that fits the industry, when somebody filled that in."""
    fitting = BRANCHES.get(industry, COMPANY_TAILS)
    fits = tail if tail in fitting else fitting[id_ % len(fitting)]
    form = LEGAL_FORMS[id_ % len(LEGAL_FORMS)]
    return f"{head} {fits} {form}".strip()


def phrase(kind: str, number: int) -> str:
    """What an activity is called."""
    found = PHRASES[kind]
    return found[number % len(found)]


def telephone(rng: random.Random) -> str:
    """A number nobody has, in one of the ways people write it; "" for half of them."""
    digits = f"{rng.randrange(100):02d}"
    ways = (
        f"+32 2 555 01 {digits}",
        f"02/555.01.{digits}",
        f"+31 20 555 01{digits}",
        f"0032 2 55501{digits}",
        "n/a",
    )
    return rng.choice((*ways, "", "", "", "", ""))


def in_office_hours(ms: int) -> int:
    """The same working day, or the Friday before, between seven and five o'clock UTC: the day of a European office."""
    day, rest = divmod(ms, DAY)
    late = (day + _THURSDAY) % 7 - 4
    return (day - max(0, late)) * DAY + 7 * HOUR + rest * 10 // 24


class Addresses:
    """E-mail addresses and domains of one portal; no two are the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def domain(self, company: str) -> str:
        name = plain(company)
        return self._free(name, "", ".example")

    def at_work(self, first: str, last: str, domain: str, id_: int) -> str:
        """In the way this company writes addresses."""
        one, two = plain(first), plain(last).replace("-", "")
        local = (f"{one}.{two}", f"{one[0]}.{two}", f"{one}.{two}", one)[hash_of(domain) % 4]
        return self._free(local, str(id_ % 100), f"@{domain}")

    def at_home(self, first: str, last: str, id_: int) -> str:
        local = f"{plain(first)}{plain(last).replace('-', '')}"
        return self._free(local, str(60 + id_ % 45), f"@{_PROVIDERS[id_ % len(_PROVIDERS)]}")

    def _free(self, start: str, hint: str, end: str) -> str:
        """The first that is free: as it is, with the hint, with a number."""
        number = 1
        found = f"{start}{end}"
        while found in self._taken:
            found = f"{start}{hint}{end}" if hint and number == 1 else f"{start}{hint}{number}{end}"
            number += 1
        self._taken.add(found)
        return found


def hash_of(text: str) -> int:
    """The same number for the same text in every process."""
    return sum(text.encode())
