/** Diffs by path: what is near the view is read, a few at the same time, the newest wish first.
 *  What is not near any more is kept while there is room. */
import { signal, type ReadonlySignal, type Signal } from "@preact/signals";

import type { Answer, Problem } from "../api/api.ts";
import type { ChangedFile } from "../api/types.ts";
import { changeOf, type Row } from "../diff/patch.ts";
import { contentOf } from "./rules.ts";

/** `none`: not read. `text`: the daemon sent what is no diff. */
export type Diff =
  | { kind: "none" } | { kind: "failed"; problem: Problem }
  | { kind: "text"; text: string }
  | { kind: "rows"; rows: readonly Row[];
    /** Shows lines that are cut to their end; null: none is. */
    unfold: (() => void) | null };

export interface Diffs {
  diffOf(path: string): ReadonlySignal<Diff>;
  /** Until the returned function is called, this diff is read, and read again when it changes. */
  want(file: ChangedFile): () => void;
  end(): void;
}

const AT_ONCE = 3;
/** Bytes of diffs; those that are near the view are kept even above this. */
const KEPT_MAX = 16 * 1024 * 1024;
const COMPARES_NONE = 0; // Words are compared when a line is drawn.

/** `content`: what was read, or is being read; null: nothing is. */
interface Held { shown: Signal<Diff>; content: string | null; size: number }

export function diffsOf(
  read: (path: string) => Promise<Answer<Uint8Array>>, kept_max = KEPT_MAX,
): Diffs {
  const held = new Map<string, Held>(), wanted = new Map<string, ChangedFile>();
  let busy = 0, ended = false;

  function heldOf(path: string): Held {
    const known = held.get(path);
    if (known !== undefined) return known;
    const one: Held = { shown: signal<Diff>({ kind: "none" }), content: null, size: 0 };
    held.set(path, one);
    return one;
  }

  function forget(): void {
    let size = [...held.values()].reduce((sum, one) => sum + one.size, 0);
    for (const [path, one] of held) {
      if (size <= kept_max) return;
      if (wanted.has(path) || one.size === 0) continue;
      size -= one.size;
      Object.assign(one, { content: null, size: 0 });
      one.shown.value = { kind: "none" };
    }
  }

  function rowsOf(one: Held, text: string, whole: boolean): Diff {
    const change = changeOf(text, /* cut */ false, whole, COMPARES_NONE);
    if (change === null) return { kind: "text", text };
    return { kind: "rows", rows: change.rows, unfold: !change.clipped ? null
      : () => void (one.shown.value = rowsOf(one, text, /* whole */ true)) };
  }

  async function take(file: ChangedFile): Promise<void> {
    const one = heldOf(file.path), content = contentOf(file);
    one.content = content;
    busy++;
    const answer = await read(file.path);
    busy--;
    if (ended) return;
    if (one.content === content) { // Else it has changed meanwhile, and is read once more.
      if (answer.ok) {
        one.size = answer.value.length;
        one.shown.value = rowsOf(one, new TextDecoder().decode(answer.value), /* whole */ false);
      } else {
        one.content = null;
        wanted.delete(file.path); // Until somebody asks again.
        one.shown.value = { kind: "failed", problem: answer.problem };
      }
      forget();
    }
    next();
  }

  function next(): void {
    for (const file of [...wanted.values()].reverse()) {
      if (busy >= AT_ONCE || ended) return;
      if (heldOf(file.path).content !== contentOf(file)) void take(file);
    }
  }

  return {
    diffOf: (path) => heldOf(path).shown,
    want(file) {
      wanted.delete(file.path);
      wanted.set(file.path, file);
      next();
      return () => {
        if (wanted.get(file.path) === file) wanted.delete(file.path);
      };
    },
    end: () => void (ended = true),
  };
}
