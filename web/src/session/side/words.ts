/** Texts of what stands beside a conversation. */
const plural = (count: number, one: string, many: string): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export const words = {
  beside: "Beside the conversation",
  close: "Close",
  panels: { timeline: "Turns", background: "Background", search: "Search" },
  running: (count: number) => `${count} running`,
  more: "Earlier ones",

  turn: "Turn",
  noTurns: "No turns yet.",
  latest: "Latest",
  toLatest: "Scroll to latest",
  began: { notice: "from the background", again: "asked again", compact: "summary" } as
    Record<string, string>,
  calls: (count: number) => (count === 0 ? "no calls" : plural(count, "call", "calls")),
  errors: (count: number) => `${count} failed`,
  tokens: (count: string) => `${count} tokens`,
  cached: (percent: number) => `${percent} % cached`,
  reasoning: (count: string) => `${count} reasoning`,
  unpriced: (count: number) => plural(count, "call", "calls") + " without a price",
  broke: {
    model: "the cache was of no use: another model",
    tools: "the cache was of no use: tools changed",
    instructions: "the cache was of no use: instructions changed",
    history: "the cache was of no use: the history was shortened",
  } as Record<string, string>,
  changesSince: "What has changed since then",
  files: (count: number, more: boolean) =>
    (more ? `${count}+ files` : plural(count, "file", "files")),
  actions: (number: number) => `Actions of turn ${number}`,
  fork: "Fork here",
  forkAbout: "a new session that begins with all up to here",
  rewind: "Rewind here, and ask again",
  rewindAbout: "what follows moves to a fork",
  rewound: "Asked again. What followed is kept in",
  rewoundFork: "a fork",
  again: "Try again",
  againAbout: "the same question once more",
  askedAgain: "It is asked again.",
  pin: "Pin",
  pinAbout: "keeps the message at hand",

  noBackground: "Nothing in the background.",
  kinds: { job: "job", turn: "subagent", workflow: "workflow",
    flow: "flow" } as Record<string, string>,
  delivery: {
    pending: "result pending", delivered: "result delivered", dropped: "result dropped",
  } as Record<string, string>,
  cancel: "Cancel",
  cancelOf: (name: string) => `Cancel: ${name}`,
  result: "View result",
  resultOf: (name: string) => `View result: ${name}`,
  hideResult: "Hide result",
  noResult: "It said nothing.",
  retry: "Retry",
  retryOf: (name: string) => `Retry: ${name}`,
  retried: "another try",
  start: "Start a subagent",
  task: "What it shall do",
  label: "Name (may be empty)",
  model: "Model (empty: that of the session)",
  send: "Start",
  discard: "Cancel",

  searchIn: "Search in this session",
  searchHow: "Enter: next hit; Shift+Enter: the one before",
  nothingFound: "Nothing found.",
  notYetFound: "Nothing found in the newest messages.",
  further: "Search further back",
  hits: (count: number, more: boolean) => plural(count, "hit", "hits") + (more ? " so far" : ""),
  roles: { user: "You", assistant: "Answer", notice: "Notice", system: "Note" } as
    Record<string, string>,

  pinned: "Pinned messages",
  pinnedMessage: "Pinned message",
  jump: "Jump to pinned",
  unpin: "Unpin",
  notPinned: "Not pinned",
  pinsFull: (count: number) => `${count} messages are pinned already. Unpin one first.`,
  pinGone: "is not there any more",
  pinEmpty: "without text",

  forks: (count: number, more: boolean) =>
    (more ? `${count}+ forks` : plural(count, "fork", "forks")),
  forkedFrom: "Forked from",
};
