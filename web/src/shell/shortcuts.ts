/** The table of shortcuts: the name of each, the key that it has at first, and where it counts. A
 *  view adds its rows here, and their texts to `words.keys`. */
import type { Shortcut } from "./bindings.ts";

export type Where = "home" | "inbox" | "sessions" | "session" | "jobs" | "job" | "terminals" |
  "runs" | "usage";

interface Row extends Shortcut { where: readonly Where[] }
const row = (key: string, ...where: Where[]): Row => ({ key, where });

export const SHORTCUTS = {
  find: row("ctrl+k"),
  help: row("?"),
  filter: row("/"),
  beside: row("b"),
  "go /": row("g h"),
  "go /inbox": row("g i"),
  "go /sessions": row("g s"),
  "go /runs": row("g r"),
  "go /jobs": row("g j"),
  "go /terminals": row("g t"),
  "go /usage": row("g u"),
  "go /settings": row("g ,"),
  next: row("j", "home", "inbox", "sessions", "jobs", "runs", "usage"),
  previous: row("k", "home", "inbox", "sessions", "jobs", "runs", "usage"),
  open: row("Enter", "home", "inbox", "runs", "usage"),
  openRow: row("o", "runs"),
  waiting: row("w", "home", "inbox"),
  allow: row("a", "home", "inbox", "session"),
  deny: row("d", "home", "inbox", "session"),
  seen: row("S", "home"),
  pick: row(" ", "inbox", "runs"),
  pickAll: row("A", "inbox", "runs"),
  leave: row("Escape", "inbox", "runs"),
  newSession: row("c", "sessions"),
  stop: row("Escape", "session"),
  panel: row("t", "session"),
  earlier: row("[", "session", "job", "terminals"),
  later: row("]", "session", "job", "terminals"),
  nextHit: row("n", "session", "job"),
  previousHit: row("N", "session", "job"),
  runJob: row("r", "jobs"),
  again: row("r", "job"),
  stopJob: row("x", "job"),
  stopRuns: row("x", "runs"),
  removeRuns: row("Delete", "runs"),
  seenRuns: row("S", "runs"),
  nextFailure: row("n", "runs"),
  previousFailure: row("N", "runs"),
  newBudget: row("c", "usage"),
  newTerminal: row("c", "terminals"),
} satisfies Record<string, Row>;

export type Name = keyof typeof SHORTCUTS;
export const NAMES = Object.keys(SHORTCUTS) as Name[];
