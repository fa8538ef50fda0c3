/** The stream of the owner, followed as long as somebody is signed in: lists are a page of the API
 *  and what this stream says after it. */
import { effect } from "@preact/signals";

import type { Notice, StreamEvent } from "../stream/index.ts";
import { follow } from "./live.ts";
import { me } from "./me.ts";

export interface OwnerListener {
  /** Events in order, once a picture. */
  onEvents(events: StreamEvent[]): void;
  /** Begins, and again where events were missed: read everything anew. `overview` is the answer of
   *  GET /overview at that moment. */
  onReset(overview: unknown): void;
  /** Frames without a number: run_progress. */
  onNotices?(notices: Notice[]): void;
}

const listeners = new Set<OwnerListener>();
let last: { overview: unknown } | null = null;

/** Until the returned function is called. `onReset` is called at once where the stream has begun.
 */
export function followOwner(listener: OwnerListener): () => void {
  listeners.add(listener);
  if (last !== null) listener.onReset(last.overview);
  return () => void listeners.delete(listener);
}

effect(() => {
  last = null;
  if (me.value === null) return undefined;
  return follow(`owner:${me.value.owner}`, {
    onSnapshot: (overview) => {
      last = { overview };
      listeners.forEach((listener) => listener.onReset(overview));
    },
    onEvents: (events) => listeners.forEach((listener) => listener.onEvents(events)),
    onNotices: (notices) => listeners.forEach((listener) => listener.onNotices?.(notices)),
  });
});
