/** Texts of the comparison of two runs. */
import { count, money, tookText } from "../parts/text.ts";
import type { Change } from "./rules.ts";

const agents = (n: number): string => (n === 1 ? "1 agent" : `${count(n)} agents`);
/** −3, +12, ±0 */
const signed = (value: number, text: (value: number) => string): string =>
  (value === 0 ? "±0" : `${value < 0 ? "−" : "+"}${text(Math.abs(value))}`);

export const words = {
  title: "Compare",
  choose: "Two runs of one script, side by side: what changed in results, time and cost.",
  before: "Run before", after: "Run after",
  chooseNone: "Choose a run",
  few: "There are no two workflow runs yet.",
  runs: "Runs",
  go: "Compare",
  swap: "Swap",
  notWorkflow: "Only runs of workflows can be compared.",
  same: "Both sides are the same run.",
  otherScript: "These are runs of different scripts: most agents have no partner.",
  otherText: "The script has changed between the two.",
  otherArgs: "They had other arguments.",
  otherModel: "They had other models.",
  goesOn: "One of them goes on; this page follows it.",
  sums: "Sums",
  difference: "Difference",
  rows: {
    state: "State", agents: "Agents", failed: "Failed", cached: "Cached", time: "Time",
    tokens: "Tokens", cost: "Cost", result: "Result",
  },
  openResult: "Open",
  sameResult: "the same", otherResult: "differs",
  none: "–",
  signedCount: (value: number) => signed(value, count),
  signedTime: (value: number) => signed(value, tookText),
  signedMoney: (value: number) => signed(value, money),
  only: "Only what changed",
  shown: (shown: number, all: number) =>
    (shown === all ? agents(all) : `${count(shown)} of ${agents(all)}`),
  list: "Agents of both runs",
  empty: "Nothing changed: state, results, time and cost of all agents are the same.",
  showAll: "Show all agents",
  noAgents: "Neither run has agents.",
  noLabel: "(no label)",
  changes: {
    side: "one side", prompt: "prompt", state: "state", result: "result", time: "time",
    tokens: "tokens", cost: "cost",
  } as Record<Change, string>,
  onlyBefore: "only before", onlyAfter: "only after",
  unchanged: "the same",
  counted: (change: Change, n: number) => `${words.changes[change]} ${count(n)}`,
  cached: "cached",
  close: "Close",
  agent: (name: string) => `Agent ${name}`,
  byLabel: "These two were asked something else. They stand together by phase and label.",
  aloneBefore: "The run after it has no such agent.",
  aloneAfter: "The run before it has no such agent.",
  figures: "Figures",
  model: "Model",
  prompt: "Prompt", result: "Result",
  isSame: "It is the same in both runs.",
  noResult: "There is none.",
  tooFar: "They differ too much to be shown line by line.",
  openOf: (side: string) => `Open the agent: ${side}`,
};
