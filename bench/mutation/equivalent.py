"""Why a mutant that survived changes nothing that anybody could see: rules for what mutmut makes again and again.

They count as survived in the score all the same, and so does what no rule fits: the score errs on that side.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .mutants import Survivor

__all__ = ["reason"]

_CODEC = re.compile(r"""(?:encode|decode|getincrementaldecoder)\((["'])([A-Za-z0-9-]+)\1""")
_UTF8 = re.compile(r"""(encode|decode)\((["'])utf-8\2(?:, )?""")
_FLAG = re.compile(r"[\w.]+ = False")
_SEARCH = re.compile(r"\.(?:r?find)\([^()]*\) (?:>=|<) 0")
_FIRST_PART = re.compile(r'split\((b?"[^"]*"), [12]\)\[0\]')
_FIRST_KEY = re.compile(r'next\(iter\(\w+\), (?:""|None|"XXXX")\) == "')
_ALWAYS_FOUND = re.compile(r"if (?:\(\w+\) or True|\w+) else \w+  # the patterns? also match(?:es)? nothing at all")
_BEFORE_A_FAILURE = "self.completed: list[Event] = "


def _codec_name(one: Survivor) -> bool:
    names = [_CODEC.sub(lambda found: found[0].lower(), text) for text in (one.removed, one.added)]
    return names[0] == names[1]


def _utf8_by_default(one: Survivor) -> bool:
    return _UTF8.sub(r"\1(", one.removed) == one.added


def _falsy_flag(one: Survivor) -> bool:
    return bool(_FLAG.fullmatch(one.removed)) and one.added == one.removed.replace("= False", "= None")


def _search_direction(one: Survivor) -> bool:
    forward = _SEARCH.sub(lambda found: found[0].replace(".rfind(", ".find("), one.added)
    return forward == one.removed and one.added != one.removed


def _first_part(one: Survivor) -> bool:
    return all(_FIRST_PART.search(text) for text in (one.removed, one.added)) and (
        _FIRST_PART.sub("", one.removed) == _FIRST_PART.sub("", one.added)
    )


def _default_key(one: Survivor) -> bool:
    return bool(_FIRST_KEY.search(one.removed)) and (
        _FIRST_KEY.sub("", one.removed) == _FIRST_KEY.sub("", one.added) != one.added
    )


def _always_found(one: Survivor) -> bool:
    return bool(_ALWAYS_FOUND.search(one.removed)) and (
        _ALWAYS_FOUND.sub("", one.removed) == _ALWAYS_FOUND.sub("", one.added) != one.added
    )


def _only_after_a_failure(one: Survivor) -> bool:
    return one.removed == f"{_BEFORE_A_FAILURE}[]" and one.added == f"{_BEFORE_A_FAILURE}None"


_RULES: dict[str, Callable[[Survivor], bool]] = {
    "names of codecs are the same in any case": _codec_name,
    "UTF-8 is the default": _utf8_by_default,
    "a flag that is only asked for its truth may be None": _falsy_flag,
    "whether something is found does not depend on the direction": _search_direction,
    "the first part is the same however many follow": _first_part,
    "an object without keys begins with no key of that name": _default_key,
    "a pattern that also matches nothing always matches": _always_found,
    "it is read after `feed` has raised, which has set it": _only_after_a_failure,
}


def reason(survivor: Survivor) -> str:
    """Why it is equivalent; empty where no rule says so."""
    return next((why for why, fits in _RULES.items() if fits(survivor)), "")
