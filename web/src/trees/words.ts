/** Texts of working trees. */
import { count } from "../parts/text.ts";
import { words as shared } from "../words.ts";

const filesOf = (files: number): string => `${count(files)} ${files === 1 ? "file" : "files"}`;
const treesOf = (trees: number): string => `${count(trees)} ${trees === 1 ? "tree" : "trees"}`;

export const words = {
  title: shared.trees,
  list: shared.trees,
  filter: "Filter",
  filterAbout: "A name, a branch or a path",
  project: "Project",
  all: "All projects",
  empty: "No agent has a working tree.",
  emptyNext: "A session in a tree of its own leaves your folder as it is until you apply it:",
  emptyCommand: "drover chat --worktree",
  none: "No working tree fits.",
  clear: "Show all",
  kinds: { session: "session", task: "task", agent: "agent of a workflow" } as
    Record<string, string>,
  states: { planned: "not made yet", ready: "ready", failed: "failed", gone: "removed" } as
    Record<string, string>,
  looks: { half: "git is at it", none: "its folder is gone", strange: "cannot be read" } as
    Record<string, string>,
  changed: (files: number) => `${filesOf(files)} changed`,
  unchanged: "no changes",
  commits: (n: number) => `${count(n)} ${n === 1 ? "commit" : "commits"} nowhere else`,
  lastWrite: (age: string) => `written ${age}`,
  made: (age: string) => `made ${age}`,
  at: (commit: string) => `at ${commit}`,
  open: (name: string) => `What ${name} holds`,
  path: "Copy the path",
  changes: "Changes",
  apply: "Apply …",
  applyOf: (name: string) => `Apply ${name}`,
  remove: "Remove …",
  removeOf: (name: string) => `Remove ${name}`,
  branch: "Branch", base: "Base", begins: "Began at", folder: "Folder", ports: "Ports",
  setup: "Setup", size: "Size",
  lost: "A removal would lose",
  lostNothing: "A removal would lose nothing.",
  lostMore: "Only the first 100 are listed.",
  reading: "Reading what would change …",
  looking: "Looking at it …",
  cancel: "Cancel",
  applyTitle: (name: string) => `Apply ${name} to the project's folder`,
  applyAbout: (root: string) =>
    `Its changes are merged onto ${root} as it is now. Nothing is committed.`,
  files: "Files of the tree",
  noFiles: "The folder has all changes of the tree.",
  fates: { restored: "created", removed: "removed", changed: "changed", mode: "mode" },
  refused: "Changed in the folder, too",
  refusedAbout: "Nothing is applied while one of these is not checked. A checked file becomes " +
    "what it is in the tree.",
  applyNow: (files: number) => (files === 0 ? "Nothing to apply" : `Apply ${filesOf(files)}`),
  applied: (files: number) => `${filesOf(files)} applied.`,
  removeTitle: (name: string) => `Remove ${name}`,
  removeAbout: "The tree goes, and its branch with it.",
  removeHeld: "All of this is nowhere else, and would be lost:",
  removeForce: "Remove it all the same, with this work.",
  removeNow: "Remove the tree",
  removed: (name: string) => `${name} is removed.`,
  prune: "Remove those without work …",
  pruneTitle: "Remove trees without work",
  pruneAbout: "Trees whose session, task or agent has ended, and that hold nothing that is " +
    "nowhere else.",
  pruneNone: "There is none: each tree is in use, or holds work.",
  pruneKept: "These stay",
  pruneNow: (trees: number) => (trees === 0 ? "Nothing to remove" : `Remove ${treesOf(trees)}`),
  pruned: (trees: number) => `${treesOf(trees)} removed.`,
  more: "More",
};
