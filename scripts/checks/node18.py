"""node18.py: tests use nothing that the Node of Debian 12, which is 18, does not have."""
import re

from checks.tree import Fault, line_of

# Pattern: what Node 18 has instead. The newer Node of a developer runs all of them.
NEWER = {
    r"import\.meta\.(?:filename|dirname)\b": "fileURLToPath(import.meta.url)",
    r"\bPromise\.(?:withResolvers|try)\b": "new Promise(…)",
    r"\bArray\.fromAsync\b": "a loop with for await",
    r"\b(?:Object|Map)\.groupBy\b": "a loop",
    r"\.(?:toSorted|toReversed|toSpliced)\(": "a copy, and sort, reverse or splice of it",
    r"\.(?:isSubsetOf|isSupersetOf|isDisjointFrom|symmetricDifference)\(": "a loop",
    r"\bIterator\.from\b": "an array",
    r"\.(?:isWellFormed|toWellFormed)\(": "a comparison of bytes",
    r"\.close\(\)\.\w": "two calls: close() of a server returns nothing",
    r"[\"']node:(?:sqlite|sea)[\"']": "no such module",
    r"\b(?:globSync|matchesGlob)\b": "readdirSync",
    r"\bprocess\.(?:loadEnvFile|getBuiltinModule)\b": "readFileSync or import",
    r"\bstyleText\b": "the escape sequence",
    r"\bt\.(?:assert\.|plan\(|waitFor\()": "node:assert, and events",
    r"\bimport \{[^}]*\b(?:suite|snapshot)\b[^}]*\} from \"node:test\"": "describe",
    r"\b(?:await )?using \w+ =": "t.after(…)",
}
PATTERNS = {re.compile(pattern): instead for pattern, instead in NEWER.items()}
# These run in the engine of workflows, or are what that engine is compared with.
OTHER_ENGINES = re.compile(r"^test/(?:integration/scripts|conformance|worker)/")


def check_node_18(tree):
    """JavaScript within the tests of scripts counts, too."""
    for path in [*tree.under("test/", (".mjs", ".py")), *tree.under("scripts/", ".mjs")]:
        text = "" if OTHER_ENGINES.match(path) else tree.text(path) or ""
        for pattern, instead in PATTERNS.items():
            for match in pattern.finditer(text):
                yield Fault(path, line_of(text, match.start()),
                            f"Node 18 lacks {match.group().strip()!r}: {instead}")
