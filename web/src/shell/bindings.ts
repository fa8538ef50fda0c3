/** Which keys shortcuts have: the table's, or those that the user chose. Pure. */

export interface Shortcut {
  /** `j`, `?`, `Escape`, `Enter`, `g h` (one after the other), `ctrl+k` (or ⌘), `ctrl+Enter`. */
  key: string;
  /** The views that have it; none: all of them. */
  where: readonly string[];
}
export type Table = Readonly<Record<string, Shortcut>>;
/** Chosen keys by the names of shortcuts. */
export type Bound = Readonly<Record<string, string>>;

const CTRL = "ctrl+";
const NAMED: Record<string, string> = {
  ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Enter: "↵", Escape: "Esc",
  Backspace: "⌫", Delete: "Del", Insert: "Ins", Home: "Home", End: "End", PageUp: "PgUp",
  PageDown: "PgDn", " ": "Space",
};
const bareOf = (piece: string): string =>
  (piece.startsWith(CTRL) ? piece.slice(CTRL.length) : piece);
const piecesOf = (key: string): string[] => (key === " " ? [key] : key.split(" "));

/** The caps of a key, as they stand on the keyboard. */
export function capsOf(key: string, mac: boolean): string[] {
  return piecesOf(key).flatMap((piece) => {
    const name = bareOf(piece);
    if (name !== piece) return [mac ? "⌘" : "Ctrl", NAMED[name] ?? name.toUpperCase()];
    return [NAMED[name] ?? (name === name.toLowerCase() ? name : `⇧${name}`)];
  });
}

/** Keys that browsers keep for themselves or for text: tabs, windows, find, copy, the size. */
const BROWSER = /^(ctrl\+([acfghjlnopqrstuvwxyz\d+=-]|Tab|Page\w+)|alt\+.*|F\d+)$/;
const isPiece = (piece: string): boolean =>
  piece === " " || Object.hasOwn(NAMED, bareOf(piece)) || /^[^\s\p{C}]$/u.test(bareOf(piece));

export type Refusal = "browser" | "digit" | "unusable";

/** Why no shortcut may have this key; null: one may. */
export function refusalOf(key: unknown): Refusal | null {
  if (typeof key !== "string") return "unusable";
  const pieces = piecesOf(key);
  if (pieces.some((piece) => BROWSER.test(piece))) return "browser";
  if (/^[1-9]$/.test(key)) return "digit";
  return pieces.length <= 2 && pieces.every(isPiece) ? null : "unusable";
}

export const keyIn = (table: Table, bound: Bound, name: string): string =>
  bound[name] ?? table[name]?.key ?? "";

const begins = (key: string, other: string): boolean =>
  key === other || other.startsWith(`${key} `);
const meet = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === 0 || others.length === 0 || some.some((one) => others.includes(one));

/** The shortcut that has this key, or a sequence with it, in one of the same views. */
export function conflictOf(table: Table, bound: Bound, name: string, key: string): string | null {
  const where = table[name]?.where ?? [];
  return Object.keys(table).find((other) => {
    const theirs = keyIn(table, bound, other);
    return other !== name && meet(where, table[other]?.where ?? []) &&
      (begins(key, theirs) || begins(theirs, key));
  }) ?? null;
}

/** Whether other shortcuts begin with this key, so that a second one is wanted. */
export const isBeginning = (table: Table, bound: Bound, name: string, key: string): boolean =>
  Object.keys(table).some((other) =>
    other !== name && keyIn(table, bound, other).startsWith(`${key} `));

/** What was stored. What is damaged, unknown or in conflict is passed over. */
export function boundRead(text: string | null, table: Table): Bound {
  let given: unknown = null;
  try {
    given = JSON.parse(text ?? "null");
  } catch {
    // Damaged: nothing was chosen.
  }
  const bound: Record<string, string> = {};
  for (const [name, key] of Object.entries(given ?? {})) {
    if (Object.hasOwn(table, name) && refusalOf(key) === null) bound[name] = key as string;
  }
  for (;;) { // A key that is passed over may be wanted by another one.
    const wrong = Object.entries(bound).find(([name, key]) =>
      conflictOf(table, bound, name, key) !== null);
    if (wrong === undefined) return bound;
    delete bound[wrong[0]];
  }
}

/** Another key for a shortcut; null: that of the table. */
export function boundWith(table: Table, bound: Bound, name: string, key: string | null): Bound {
  const { [name]: _, ...rest } = bound;
  return key === null || key === table[name]?.key ? rest : { ...rest, [name]: key };
}
