/** The table of shortcuts: the name of each, the key that it has at first, and where it counts. A
 *  view adds its rows here, and their texts to `words.keys`. */
import type { Shortcut } from "./bindings.ts";

export type Where = "home" | "inbox" | "sessions" | "session" | "jobs" | "job" | "terminals"
  | "runs" | "run" | "trace" | "usage" | "workflows" | "workflow" | "compare" | "agents"
  | "memory" | "system";

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
  "go /workflows": row("g f"),
  "go /jobs": row("g j"),
  "go /terminals": row("g t"),
  "go /usage": row("g u"),
  "go /agents": row("g a"),
  "go /memory": row("g m"),
  "go /system": row("g y"),
  "go /settings": row("g ,"),
  next: row("j", "home", "inbox", "sessions", "jobs", "runs", "run", "trace", "usage",
    "workflows", "compare", "agents", "memory"),
  previous: row("k", "home", "inbox", "sessions", "jobs", "runs", "run", "trace", "usage",
    "workflows", "compare", "agents", "memory"),
  open: row("Enter", "home", "inbox", "runs", "run", "trace", "usage", "workflows", "compare",
    "agents", "memory"),
  openRow: row("o", "runs"),
  waiting: row("w", "home", "inbox", "run"),
  allow: row("a", "home", "inbox", "session", "run"),
  deny: row("d", "home", "inbox", "session", "run"),
  seen: row("S", "home"),
  pick: row(" ", "inbox", "runs"),
  pickAll: row("A", "inbox", "runs"),
  leave: row("Escape", "inbox", "runs", "run", "trace", "compare", "agents", "memory"),
  newSession: row("c", "sessions"),
  stop: row("Escape", "session"),
  panel: row("t", "session"),
  earlier: row("[", "session", "job", "terminals", "trace"),
  later: row("]", "session", "job", "terminals", "trace"),
  nextHit: row("n", "session", "job", "run", "trace", "compare"),
  previousHit: row("N", "session", "job", "run", "trace", "compare"),
  runJob: row("r", "jobs"),
  again: row("r", "job", "run"),
  stopJob: row("x", "job", "run"),
  stopRuns: row("x", "runs"),
  removeRuns: row("Delete", "runs"),
  seenRuns: row("S", "runs"),
  nextFailure: row("n", "runs"),
  previousFailure: row("N", "runs"),
  compareRuns: row("c", "runs"),
  onlyChanged: row("f", "compare"),
  newAgent: row("c", "agents"),
  newBudget: row("c", "usage"),
  planFlow: row("p", "workflow"),
  startFlow: row("s", "workflow"),
  newMemory: row("c", "memory"),
  lookAgain: row("r", "system"),
  newTerminal: row("c", "terminals"),
  pause: row("p", "run"),
  skip: row("s", "run"),
  stepBack: row(",", "run"),
  stepOn: row(".", "run"),
  live: row("l", "run"),
  zoomFit: row("z", "run", "trace"),
  zoomIn: row("+", "run", "trace"),
  zoomOut: row("-", "run", "trace"),
  fold: row("e", "run", "trace"),
  foldAll: row("E", "run", "trace"),
  trace: row("v", "session", "run"),
  copyLink: row("y", "run", "trace"),
} satisfies Record<string, Row>;

export type Name = keyof typeof SHORTCUTS;
export const NAMES = Object.keys(SHORTCUTS) as Name[];
