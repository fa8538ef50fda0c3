/** What is typed into the composer beside a message. `/NAME words` is a command, a flow with the
 *  words as its question, or a workflow with its arguments; `@letters` is a file of the session's
 *  root. A line that begins otherwise, be it with a blank, is a message. Pure. */

/** null: it is none. */
export function commandOf(text: string): { name: string; question: string } | null {
  const found = /^\/([A-Za-z0-9][\w.-]*)(?:\s+([\s\S]*))?$/.exec(text.trimEnd());
  return found === null ? null : { name: found[1] ?? "", question: found[2] ?? "" };
}

export const isName = (name: string): boolean => /^[A-Za-z0-9][\w.-]*$/.test(name);

/** --- The word at the caret --- */

/** What is being typed, and the range of the text that a choice replaces. */
export interface Begun {
  kind: "name" | "model" | "file"; typed: string; from: number; to: number;
}

const KINDS: readonly [Begun["kind"], RegExp][] = [
  ["name", /^\/([\w.-]*)$/], ["model", /^\/model\s+(\S*)$/], ["file", /(?:^|\s)@([^\s@]+)$/],
];

export function begunAt(text: string, caret: number): Begun | null {
  const before = text.slice(0, caret), after = /^\S*/.exec(text.slice(caret))?.[0] ?? "";
  for (const [kind, form] of KINDS) {
    const typed = form.exec(before)?.[1];
    if (typed === undefined) continue;
    const mark = kind === "model" ? 0 : 1; // A name and a file replace their mark, too.
    return { kind, typed, from: caret - typed.length - mark, to: caret + after.length };
  }
  return null;
}

/** The text with the choice in place of what was begun, and where the caret is then. */
export function chosenIn(text: string, { from, to }: Begun, choice: string) {
  const after = text.slice(to).replace(/^ /, ""), head = `${text.slice(0, from)}${choice} `;
  return { text: head + after, caret: head.length };
}

/** As the daemon compares them: letters in their order, without case. */
export function fits(typed: string, path: string): boolean {
  const letters = typed.toLowerCase(), all = path.toLowerCase();
  let at = 0;
  for (const letter of all) {
    if (letters.startsWith(letter, at)) at += letter.length;
  }
  return at >= letters.length;
}

/** --- Arguments of a workflow, as `drover run NAME --arg NAME=VALUE TEXT` takes them --- */

type Member = Record<string, unknown>;
const isMember = (value: unknown): value is Member =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const membersOf = (schema: unknown): Member | null =>
  (isMember(schema) && isMember(schema.properties) ? schema.properties : null);

const requiredIn = (schema: unknown): string[] =>
  (isMember(schema) && Array.isArray(schema.required)
    ? schema.required.filter((name) => typeof name === "string") : []);

/** Names that are required together: the schema's, or of each way that it allows. */
function waysOf(schema: unknown): string[][] {
  const ways: unknown[] = isMember(schema) && schema.required === undefined &&
    Array.isArray(schema.oneOf) && schema.oneOf.length > 0 ? schema.oneOf : [schema];
  return ways.map(requiredIn);
}

const isText = (schema: unknown): boolean =>
  !isMember(schema) || schema.type === "string";

/** Each argument as it is written: `name=…`, `[name=default]`. null: a text, or anything. */
export function usageOf(schema: unknown): string[] | null {
  const members = membersOf(schema);
  if (members === null) return isText(schema) ? null : [];
  const [required = []] = waysOf(schema);
  return Object.entries(members).map(([name, of]) => {
    const fallback = isMember(of) ? of.default : undefined;
    const written = `${name}=${fallback === undefined ? "…"
      : typeof fallback === "string" ? fallback : JSON.stringify(fallback)}`;
    return required.includes(name) ? written : `[${written}]`;
  });
}

/** Where a text, a list or an object of JSON that begins here ends. */
function jsonEnd(text: string): number {
  let depth = 0, isInside = false;
  for (let at = 0; at < text.length; at++) {
    const one = text.charAt(at);
    if (isInside && one === "\\") at++;
    else if (one === "\"") isInside = !isInside;
    else if (!isInside && "[{".includes(one)) depth++;
    else if (!isInside && "]}".includes(one)) depth--;
    if (!isInside && depth <= 0) return at + 1;
  }
  return text.length;
}

/** The value at the beginning, as JSON or else as text, and what follows it. `keeps`: a text. */
function valueOf(text: string, keeps: boolean): [value: unknown, rest: string] {
  const bare = /^\S*/.exec(text)?.[0] ?? "", end = jsonEnd(text);
  const isLong = /^["[{]/.test(text) && /^\s|^$/.test(text.charAt(end));
  const raw = isLong ? text.slice(0, end) : bare;
  try {
    const value: unknown = JSON.parse(raw);
    return [keeps && typeof value !== "string" ? raw : value, text.slice(raw.length)];
  } catch {
    return [bare, text.slice(bare.length)];
  }
}

/** Why no run may start: a name in `words.unfitArgs`, the argument, and those that there are. */
export type Unfit = [why: "unknown" | "missing" | "noText" | "twice" | "both", name: string,
  all: string[]];

/** The args that `words` give: `NAME=VALUE` first, then a text, which is the one required argument.
 *  undefined: none. */
export function givenOf(schema: unknown, words: string): { args: unknown } | { unfit: Unfit } {
  const given = new Map<string, unknown>(), members = membersOf(schema);
  const all = members === null ? [] : Object.keys(members), ways = waysOf(schema);
  const unfit = (why: Unfit[0], name = ""): { unfit: Unfit } => ({ unfit: [why, name, all] });
  let rest = words.trim();
  for (let found; (found = /^([A-Za-z_][\w-]*)=/.exec(rest)) !== null;) {
    const [head, name = ""] = found, member = members?.[name];
    const [value, after] = valueOf(rest.slice(head.length),
      isMember(member) && member.type === "string");
    given.set(name, value);
    rest = after.trimStart();
  }
  if (rest !== "" && isText(schema)) return given.size > 0 ? unfit("both") : { args: rest };
  const [[only = "", ...more] = []] = ways;
  if (rest !== "" && (only === "" || more.length > 0)) return unfit("noText");
  if (rest !== "" && given.has(only)) return unfit("twice", only);
  if (rest !== "") given.set(only, rest);
  const isOpen = isMember(schema) && ![undefined, false].includes(schema.additionalProperties as
    undefined);
  const unknown = members === null || isOpen ? undefined
    : [...given.keys()].find((name) => !all.includes(name));
  if (unknown !== undefined) return unfit("unknown", unknown);
  const missing = ways.map((way) => way.filter((name) => !given.has(name)).join(", "));
  if (missing.every((names) => names !== "")) return unfit("missing", missing.join(" / "));
  return { args: given.size === 0 ? undefined : Object.fromEntries(given) };
}

/** --- Text files --- */

/** A file as a block of the message: its fence is longer than any in it. */
export function fenced(name: string, text: string): string {
  const fences = text.match(/`{3,}/g) ?? [];
  const fence = "`".repeat(Math.max(3, ...fences.map(({ length }) => length + 1)));
  const kind = /\.([A-Za-z0-9]{1,12})$/.exec(name)?.[1] ?? "";
  return `${name}:\n\n${fence}${kind}\n${text}${text.endsWith("\n") ? "" : "\n"}${fence}`;
}
