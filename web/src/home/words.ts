/** The texts of Home. */
export const words = {
  rest: (count: number) => `${count} more in the Inbox`,
  log: "Log", logOf: (name: string) => `Log: ${name}`,
  again: "Run again", againOf: (name: string) => `Run again: ${name}`,
  nearest: "Nearest limit",
  cache: "Cache",
  cacheOf: (read: string, all: string) => `(${read} of ${all} prompt tokens)`,
};
