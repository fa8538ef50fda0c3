/** The table of shortcuts: the name of each, the key that it has at first, and where it counts. A
 *  view adds its rows here, and their texts to `words.keys`. */
import type { Shortcut } from "./bindings.ts";

export type Where = "home" | "inbox" | "sessions" | "session" | "jobs" | "job" | "terminals" |
  "trace";

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
  "go /jobs": row("g j"),
  "go /terminals": row("g t"),
  "go /settings": row("g ,"),
  next: row("j", "home", "inbox", "sessions", "jobs", "trace"),
  previous: row("k", "home", "inbox", "sessions", "jobs", "trace"),
  open: row("Enter", "home", "inbox", "trace"),
  waiting: row("w", "home", "inbox"),
  allow: row("a", "home", "inbox", "session"),
  deny: row("d", "home", "inbox", "session"),
  seen: row("S", "home"),
  pick: row(" ", "inbox"),
  pickAll: row("A", "inbox"),
  leave: row("Escape", "inbox", "trace"),
  newSession: row("c", "sessions"),
  stop: row("Escape", "session"),
  panel: row("t", "session"),
  trace: row("v", "session"),
  earlier: row("[", "session", "job", "terminals", "trace"),
  later: row("]", "session", "job", "terminals", "trace"),
  nextHit: row("n", "session", "job"),
  previousHit: row("N", "session", "job"),
  nextError: row("n", "trace"),
  previousError: row("N", "trace"),
  expand: row("e", "trace"),
  collapse: row("E", "trace"),
  fit: row("z", "trace"),
  zoomIn: row("+", "trace"),
  zoomOut: row("-", "trace"),
  copyLink: row("y", "trace"),
  runJob: row("r", "jobs"),
  again: row("r", "job"),
  stopJob: row("x", "job"),
  newTerminal: row("c", "terminals"),
} satisfies Record<string, Row>;

export type Name = keyof typeof SHORTCUTS;
export const NAMES = Object.keys(SHORTCUTS) as Name[];
