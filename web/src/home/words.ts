/** The texts of Home. */
export const words = {
  rest: (count: number) => `${count} more in the Inbox`,
  noProject: "No project",
  begin: "New session", first: "First message", placeholder: "Ask, or describe a task …",
  project: "Project", noFolder: "No folder", answerer: "Who answers",
  programs: "Programs",
  byDefault: (model: string | null) => (model === null ? "the default model" : model),
  beginButton: "Begin",
  recent: "Recent",
  log: "Log", logOf: (name: string) => `Log: ${name}`,
  again: "Run again", againOf: (name: string) => `Run again: ${name}`,
  nearest: "Nearest limit",
  cache: "Cache",
  cacheOf: (read: string, all: string) => `(${read} of ${all} prompt tokens)`,
};
