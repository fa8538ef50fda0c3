/** Texts of the shell. */
import { words as shared } from "../words.ts";
import type { Name } from "./shortcuts.ts";

const goTo = (name: string): string => `Go to ${name}`;

/** What shortcuts do. */
const keys: Record<Name, string> = {
  find: "Find or go to…", help: "Keyboard shortcuts", filter: "Search or filter",
  beside: "Open beside",
  "go /": goTo(shared.home), "go /inbox": goTo(shared.inbox), "go /sessions": goTo(shared.sessions),
  "go /runs": goTo(shared.runs), "go /jobs": goTo(shared.jobs),
  "go /terminals": goTo(shared.terminals),
  "go /usage": goTo(shared.usage), "go /settings": goTo(shared.settings),
  next: "Next row", previous: "Row before", open: "Open the row", openRow: "Open the row",
  waiting: "Next that waits",
  allow: "Allow", deny: "Deny", seen: "Mark all as seen",
  pick: "Select the row", pickAll: "Select all", leave: "Clear the selection, or close",
  newSession: "New session", stop: "Stop the turn, or leave the edit", panel: "Turns, beside",
  earlier: "Turn, attempt or terminal before", later: "Turn, attempt or terminal after",
  nextHit: "Next hit or failure", previousHit: "Hit or failure before", runJob: "Run a command",
  again: "Run it again, or restart the agent", stopJob: "Stop it", newTerminal: "New terminal",
  pause: "Pause or resume", skip: "Skip the agent", stepBack: "Event before", stepOn: "Event after",
  live: "Back to the present", zoomFit: "Show all of the time", zoomIn: "Zoom in",
  zoomOut: "Zoom out", fold: "Expand or collapse", foldAll: "Expand or collapse all",
  trace: "Trace", copyLink: "Copy the link",
  stopRuns: "Stop those that are selected", removeRuns: "Remove those that are selected",
  seenRuns: "Mark those that are selected as seen", nextFailure: "Next failure",
  previousFailure: "Failure before", newBudget: "New budget",
};

export const words = {
  ...shared,
  keys,
  find: "Find or go to…",
  findShort: "Find",
  findAbout: "A place, an action, the title of a session, a job, or an id",
  noneFound: "Nothing found.",
  results: (count: number) => (count === 1 ? "1 result" : `${count} results`),
  groups: { id: "This id", places: "Places", actions: "Actions", sessions: "Sessions",
    runs: "Runs", jobs: "Jobs" },
  openId: (id: string) => `Open ${id}`,
  noPage: (kind: string) => `There is no page for a ${shared.kinds[kind] ?? kind} yet.`,
  newSession: "New session",
  markAllSeen: "Mark all seen",
  colours: (name: string) => `Colours: ${name}`,
  shortcuts: "Keyboard shortcuts",
  shortcutsAbout: "They do nothing while you write, nor in a terminal.",
  single: "Keys without Ctrl do something",
  changeKeys: "Change them",
  beside: "Open beside",
  besideFind: "Open beside…",
  besideHow: "Ctrl+Enter opens it beside this one.",
  close: "Close",
  moreName: "More",
  heldTitle: "The daemon holds: nothing starts.",
  heldStart: (what: string) => `A release would start ${what}.`,
  heldNothing: "A release would start nothing now.",
  heldHow: "Somebody with the scope admin can release it:",
  heldCommand: "drover release",
  release: "Release",
  counts: {
    queued: (n: number) => `${n} queued`,
    running: (n: number) => `${n} running`,
    deliveries: (n: number) => (n === 1 ? "1 delivery" : `${n} deliveries`),
    lost: (n: number) => `${n} lost (they end)`,
    again: (n: number) => `${n} again`,
  },
};
