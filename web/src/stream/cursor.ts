/* cursor.ts: how far a stream was read, and what the next frame is to it.
 *
 * The numbers of a stream have no gaps, and one connection sends them in order. So a gap or a
 * repeat is a fault of somebody, and each frame is judged all the same: a client can then show that
 * what it has is whole.
 */

export type Verdict = "next" | "stale" | "gap";

export function judge(cursor: number, seq: number): Verdict {
  if (seq === cursor + 1) return "next";
  return seq <= cursor ? "stale" : "gap";
}

export type StreamPhase =
  | "off" // There is no connection, or a retry is due.
  | "asked" // The daemon has not confirmed the subscription.
  | "live"
  | "done" // The stream has ended, and all of it was delivered.
  | "refused"; // `error` says why. No further attempt.

/** The facts of one stream, as `onState` and `report()` show them. */
export interface StreamState {
  phase: StreamPhase;
  /** Number up to which everything was delivered; null before a first snapshot. */
  whole: number | null;
  /** Places where numbers were skipped by the daemon, and numbers that it could not show at all. */
  gaps: number;
  missing: number;
  /** Frames that were received twice, and were delivered once. */
  repeats: number;
  /** Events whose type is not in `types`: skipped. */
  unknown: number;
  /** Snapshots that came; among them those of which the client was below the floor, and those that
   *  were read again after a gap, or since the daemon had less than the client. */
  snapshots: number;
  below_floor: number;
  rereads: number;
  /** The last time that it went on after a cut: from where, and with how many events that were
   *  stored meanwhile. */
  resumed: { seq: number; events: number } | null;
  error: { code: string; title?: string; detail?: string } | null;
}

export const streamStart = (after: number | null): StreamState => ({
  phase: "off", whole: after, gaps: 0, missing: 0, repeats: 0, unknown: 0, snapshots: 0,
  below_floor: 0, rereads: 0, resumed: null, error: null,
});
