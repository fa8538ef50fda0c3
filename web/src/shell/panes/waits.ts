/** What waits for a person in a place. Pure. */
import type { Ask } from "../../api/types.ts";

/** Of a session its own calls; of a run the run and all that it began. */
export function waitsAt(path: string, open: readonly Ask[]): number {
  const [, kind, id] = /^\/([sj])\/([^/]+)/.exec(path) ?? [];
  return open.filter(({ session, run, root_run }) =>
    (kind === "s" ? session === id : kind === "j" && (run === id || root_run === id))).length;
}
