/** Texts of the list of runs. */
import type { Action } from "./rules.ts";

const runs = (count: number): string =>
  (count === 1 ? "1 run" : `${count.toLocaleString("en")} runs`);

export const words = {
  title: "Runs",
  filters: "What is shown",
  filter: "Filter",
  filterAbout: "label, command or id",
  kind: "Kind",
  kinds: { "": "all kinds", workflow: "workflows", flow: "flows", turn: "turns", job: "jobs",
    agent: "agents" } as Record<string, string>,
  state: "State",
  states: {
    "": "any state", live: "not ended", waiting: "waiting for you", failed: "failed",
    degraded: "degraded", succeeded: "succeeded", cancelled: "cancelled",
  } as Record<string, string>,
  project: "Project",
  anyProject: "any project",
  since: "Begun",
  sinces: {
    "": "at any time", "1h": "in the last hour", "24h": "in the last 24 hours",
    "7d": "in the last 7 days", "30d": "in the last 30 days",
  } as Record<string, string>,
  sinceDay: (day: string) => `since ${day}`,
  inside: "Include children",
  empty: "There are no runs.",
  emptyNext: "A run is whatever works here: a workflow, a turn of a session, a job. Begin one:",
  emptyCommand: "drover run deep-research \"How do heat pumps work?\"",
  catalog: "Choose a workflow",
  none: "No run matches the filter.",
  clear: "Show all",
  more: "Show more",
  fresh: (count: number) => `Show ${runs(count)} that came since`,
  unknownCost: (count: number) => `+ ${count}?`,
  unknownCostAbout: (count: number) =>
    `and ${count === 1 ? "1 call" : `${count} calls`} of unknown cost`,
  pick: (name: string) => `Select ${name}`,
  picked: (count: number) => `${count.toLocaleString("en")} selected`,
  actions: { stop: "Stop", remove: "Remove", seen: "Mark as read" } as Record<Action, string>,
  act: (action: Action, count: number) => `${words.actions[action]} ${count.toLocaleString("en")}`,
  questions: {
    stop: (count: number) => `Stop ${runs(count)}?`,
    remove: (count: number) => `Remove ${runs(count)}?`,
    seen: (count: number) => `Mark ${runs(count)} as read?`,
  } as Record<Action, (count: number) => string>,
  abouts: {
    stop: "They end with what they have; agents below them end, too.",
    remove: "With their output and what is below them. This cannot be taken back.",
    seen: "They leave Home.",
  } as Record<Action, string>,
  leftOut: (action: Action, count: number) => (action === "stop"
    ? `${runs(count)} of those that are selected ended already.`
    : `${runs(count)} of those that are selected did not end yet.`),
  nothing: (action: Action) => (action === "stop" ? "None of them runs any more."
    : "None of them has ended yet."),
  compare: "Compare",
  clearPicked: "Clear",
  cancel: "Cancel",
  close: "Close",
  done: { stop: "stopped", remove: "removed", seen: "seen" } as Record<Action, string>,
  result: (action: Action, done: number, all: number) =>
    (done === all ? `${runs(done)}: ${words.done[action]}.`
      : `${done} of ${runs(all)}: ${words.done[action]}; the others say why not.`),
  gates: {
    key: "waits for its key", budget: "waits for room in a budget", slot: "waits for a slot",
    time: "waits for its time", hold: "held", host: "waits for its host",
    provider: "waits for its provider",
  } as Record<string, string>,
};
