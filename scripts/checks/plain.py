"""plain.py: plain technical English, as far as a program can tell. Two ratchets by file."""
import os
import re

from checks.ratchets import Found, Ratchet
from checks.tree import TOKEN, line_of

# Everyday words that stand for a term of the trade, and the term. In comments, names and texts
# alike: `crowd_add` has one, too. Chosen so that nearly each hit is a fault; what is often right
# ("behind", "held", "told") is refused in names of files only.
OLD_WORDS = {
    "whoever": "name who: the caller, each waiter, the client",
    "onlooker, onlookers": "follower",
    "look on, looks on, looked on, looking on": "follow",
    "of before, from before": "earlier, previous, cached",
    "manieth": "number, n-th",
    "so many, so much": "number of, limit of, at most N",
    "let go, lets go, letting go": "release, drop, evict, admit",
    "take leave, takes leave, took leave": "disconnect, drop",
    "is told, are told, was told, were told, be told, been told": "is notified, is sent, receives",
    "once more": "again, retry",
    "anew": "again, from the beginning, restart",
    "come of it, comes of it, came of it": "result, outcome",
    "what comes of, what came of, what becomes of, what became of": "result, outcome",
    "done with": "finished, ended",
    "change nothing, changes nothing": "is ignored, has no effect",
    "time is over, day is over": "expired, deadline, timeout",
    "company, crowd, crowds, crowded": "batch, group",
    "herd, herds": "group",
    "who waits, who follows, who asks, those who": "waiters, followers, callers",
    "at work": "busy, running",
    "is quiet, are quiet, was quiet, were quiet": "idle",
    "deaf": "does not read, ignores",
    "by others": "name by whom",
    "wait behind, waits behind": "is queued after",
    "may begin": "becomes eligible, is admitted",
    "settled before": "earlier result, replayed",
    "that is none, that are none": "name what it is instead",
}
PHRASES = [phrase for phrases in OLD_WORDS for phrase in phrases.split(", ")]
# A phrase may go on in the next line of a comment. What comes before it is looked at afterwards:
# a pattern that begins with its letters is found ten times as fast.
OLD_WORD = {phrase: re.compile(phrase.replace(" ", r"\s+(?:\*\s+|//\s+)?") + "(?![a-z])")
            for phrase in PHRASES}
INCLUDE_LINE = re.compile(r"^[ \t]*#[ \t]*include[^\n]*", re.MULTILINE)
OLD_NAME = re.compile(r"(?:^|_)(behind|held|past|look|said|front|crowd|told|deaf)(?=_|\.)")

# A comment opens with a noun or a verb: what the thing is, or does. Not with a pronoun, nor with a
# clause that begins with one.
PRONOUNS = (
    r"its?|it's|they|their|theirs|them|he|she|one|those|these|ours|that|which|whichever|whose|whom|"
    r"who|whoever|what|whatever|somebody|something|of|so (?:many|much|long|often|far)|"
    r"how (?:many|much|long|often|far)"
)
OPENING = re.compile(rf"(?:/\*+|//+)[\s*]*(?:[\w./-]+\.[ch]: +)?({PRONOUNS})(?![\w'-])",
                     re.IGNORECASE)


def texts(tree):
    endings = (".c", ".h", ".sql", ".js", ".mjs")
    for path in tree.under(("src/", "test/"), endings):
        if not re.search(r"(^|/)(corpus|fixtures)/", path):
            yield path, tree.text(path) or ""


class Lines:
    """Finds the line of each of a row of positions that rise."""

    def __init__(self, text):
        self.text, self.at, self.line = text, 0, 1

    def of(self, position):
        self.line += self.text.count("\n", self.at, position)
        self.at = position
        return self.line


def measure_words(tree):
    found = {}
    for path, text in texts(tree):
        places = [(1, f"file name: {match.group(1)}")
                  for match in OLD_NAME.finditer(os.path.basename(path))]
        text = INCLUDE_LINE.sub("", text.lower())
        for phrase, pattern in OLD_WORD.items():
            if all(word in text for word in phrase.split()):
                places += [(line_of(text, match.start()), phrase)
                           for match in pattern.finditer(text)
                           if not text[match.start() - 1].isalpha()]
        places.sort()
        if places:
            found[path] = Found(len(places), path, places)
    return found


def measure_openings(tree):
    found = {}
    for path in tree.under(("src/", "test/"), (".c", ".h")):
        text = tree.text(path) or ""
        places, lines, end = [], Lines(text), None
        for match in TOKEN.finditer(text):
            comment = match.group("comment")
            # The lines of a comment in // are one.
            is_line = comment and comment[1] == "/"
            goes_on = is_line and end and not text[end : match.start()].strip()
            end = match.end() if is_line else None
            opening = OPENING.match(comment) if comment and not goes_on else None
            if opening:
                places.append((lines.of(match.start()), opening.group(1)))
        if places:
            found[path] = Found(len(places), path, places)
    return found


WORDS = Ratchet("words", "old words; checks/plain.py has better ones", measure_words)
OPENINGS = Ratchet("openings", "comments that open with a pronoun", measure_openings)
