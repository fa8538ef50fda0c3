"""changelog.py: entries of the changelog that stand in files of their own until a release.

changelog/NAME.SECTION.md holds one change, written as in CHANGELOG.md; SECTION is one of SECTIONS.
Two branches that each add an entry touch no common file. scripts/changelog folds them in.
"""
import os
import re

from checks.tree import Fault, line_of

PAGE, FOLDER = "CHANGELOG.md", "changelog/"
SECTIONS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
NAME = re.compile(rf"{FOLDER}[a-z0-9-]+\.({'|'.join(SECTIONS).lower()})\.md")
UNRELEASED = "## Unreleased\n"


def fragments(tree):
    return [path for path in tree.under(FOLDER, "") if path != FOLDER + "README.md"]


def check_fragments(tree):
    for path in fragments(tree):
        if not NAME.fullmatch(path):
            yield Fault(path, 1, f"call it {FOLDER}NAME.SECTION.md; SECTION is one of "
                                 + ", ".join(SECTIONS).lower())
        text = tree.text(path) or ""
        odd = re.search(r"\A(?!- \S)|^(?!- \S|  \S).*\n|(?<!\n)\Z", text, re.M)
        if odd:
            yield Fault(path, line_of(text, odd.start()),
                        "an entry is a line that begins with \"- \", and lines below two blanks")


def folded(tree):
    """CHANGELOG.md with each fragment at the top of its section of what is unreleased."""
    text = tree.text(PAGE)
    for section in SECTIONS:
        entries = "".join(tree.text(path) for path in fragments(tree)
                          if path.endswith(f".{section.lower()}.md"))
        if entries:
            text = put(text, section, entries)
    return text


def put(text, section, entries):
    start = text.index(UNRELEASED) + len(UNRELEASED)
    end = text.find("\n## ", start) + 1 or len(text)
    later = SECTIONS[SECTIONS.index(section):]
    heading = re.compile(rf"^### ({'|'.join(later)})\n\n", re.M).search(text, start, end)
    if heading is None:  # The last section, before the version that follows.
        before = text[:end].rstrip("\n")
        return f"{before}\n\n### {section}\n\n{entries}" + ("\n" if text[end:] else "") + text[end:]
    if heading.group(1) == section:
        return text[:heading.end()] + entries + text[heading.end():]
    return f"{text[:heading.start()]}### {section}\n\n{entries}\n{text[heading.start():]}"


def fold(tree):
    """Writes the page and removes the fragments; answers how many there were."""
    text, paths = folded(tree), fragments(tree)
    with open(tree.at(PAGE), "w", encoding="utf-8") as page:
        page.write(text)
    for path in paths:
        os.remove(tree.at(path))
    return len(paths)
