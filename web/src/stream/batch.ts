/* batch.ts: frames wait for the next picture, and are delivered together.
 *
 * Promise    `deliver` gets each owner once per flush, in the order of their first entries. A
 *            hidden page draws no pictures, so a batch that is full is flushed at once: it never
 *            holds more than ENTRIES_MAX entries, nor more than BYTES_MAX and one frame.
 */
import type { Parts } from "./parts.ts";

export const ENTRIES_MAX = 2_000;
export const BYTES_MAX = 4 << 20;

export interface Batch<Owner> {
  /** `entries` and `bytes`: what the owner now holds more than before. */
  note(owner: Owner, entries: number, bytes: number): void;
  flush(): void;
}

export function batchNew<Owner>(parts: Parts, deliver: (owner: Owner) => void): Batch<Owner> {
  let owners = new Set<Owner>();
  let entryCount = 0;
  let byteCount = 0;
  let scheduled = false;

  function flush(): void {
    const due = owners;
    owners = new Set();
    entryCount = byteCount = 0;
    due.forEach(deliver);
  }
  return {
    note(owner, entries, bytes) {
      owners.add(owner);
      entryCount += entries;
      byteCount += bytes;
      if (entryCount >= ENTRIES_MAX || byteCount >= BYTES_MAX) {
        flush();
      } else if (!scheduled) {
        scheduled = true;
        parts.frame(() => {
          scheduled = false;
          flush();
        });
      }
    },
    flush,
  };
}
