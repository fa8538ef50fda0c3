/** Sessions are not in the file, so nothing leads to them. Pure. What the script itself calls a
 *  session, in its args and results, stays as it is. */
import type { Document } from "./file.ts";

const TELLING = ["agent_started", "agent_session"];

const without = <T extends object>(row: T): T =>
  ("session" in row ? { ...row, session: null } : row);

export const sessionless = (given: Document): Document => ({
  ...given,
  run: without(given.run), agents: given.agents.map(without), spans: given.spans.map(without),
  events: given.events.map((event) => (TELLING.includes(event.type)
    ? { ...event, data: without(event.data as object) } : event)),
});
