/** What a component reads of the daemon: shown under the name that it was read by, read again when
 *  somebody asks, when something has changed, and after a failure that may pass. Of reads under way
 *  at the same time the latest answer wins; after the component is gone none is heard. */
import { useEffect, useRef, useState } from "preact/hooks";

import { get, passes, type Answer, type Problem } from "../api/api.ts";
import type { Page } from "../api/types.ts";
import type { StreamEvent } from "../stream/index.ts";
import { latest } from "./latest.ts";
import { followOwner } from "./owner.ts";

export interface Read<T> {
  /** null: not read yet. What was read stays while it is read again, and where that fails. */
  value: T | null;
  problem: Problem | null;
  again(): Promise<void>;
  /** The answer to a change is as good as a read. */
  put(value: T): void;
}

export interface ReadWish<T> {
  /** Default: GET of the name. */
  from?(): Promise<Answer<T>>;
  /** Whether it is read again after this event of the owner. With it the read begins with that
   *  stream, and is repeated where events were missed. */
  after?(event: StreamEvent, value: T | null): boolean;
  /** Shortest time between two reads that nobody asked for. */
  pause_ms?: number;
  /** For what no event tells. */
  every_ms?: number;
}

const PAUSE_MS = 200, RETRY_MS = 3_000;

interface Known<T> { of: string | null; value: T | null; problem: Problem | null }

/** Reads what has one name, until it ends. */
function reader<T>(name: string, wish: () => ReadWish<T>, set: (known: Known<T>) => void) {
  let known: Known<T> = { of: name, value: null, problem: null };
  let isOver = false, isDue = false, busy = 0, last_ms = -Infinity, due_ms = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const begun = latest();
  const change = (more: Partial<Known<T>>): void =>
    set(known = { ...known, problem: null, ...more });
  const read = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    isDue = false;
    busy++;
    last_ms = performance.now();
    const counts = begun(), { from, every_ms } = wish();
    const answer = await (from?.() ?? get<T>(name));
    busy--;
    if (isOver) return;
    if (counts()) change(answer.ok ? { value: answer.value } : { problem: answer.problem });
    if (isDue) soon();
    else if (!answer.ok && passes(answer.problem)) {
      later(Math.max(RETRY_MS, answer.problem.retry_ms ?? 0));
    } else if (every_ms !== undefined) later(every_ms);
  };
  function later(ms: number): void {
    const at_ms = performance.now() + ms;
    if (timer !== undefined && due_ms <= at_ms) return;
    clearTimeout(timer);
    due_ms = at_ms;
    timer = setTimeout(() => void read(), ms);
  }
  /** What comes while it is read is read once more. */
  function soon(): void {
    isDue = busy > 0;
    if (!isDue) later(Math.max(0, last_ms + (wish().pause_ms ?? PAUSE_MS) - performance.now()));
  }
  const onEvents = (events: readonly StreamEvent[]): void => {
    if (events.some((event) => wish().after?.(event, known.value))) soon();
  };
  const end = wish().after === undefined ? void read()
    : followOwner({ onReset: () => void (busy > 0 ? soon() : read()), onEvents });
  return {
    read, soon,
    put: (value: T) => {
      begun()(); // Reads that are under way may be older.
      change({ value });
    },
    end: () => {
      isOver = true;
      clearTimeout(timer);
      end?.();
    },
  };
}

/** `name`: a path of the API, or whatever `from` reads by; null: nothing is read. Another of `when`
 *  has it read again. */
export function useRead<T>(
  name: string | null, wish: ReadWish<T> = {}, when: readonly unknown[] = [],
): Read<T> {
  const [known, knownSet] = useState<Known<T>>({ of: null, value: null, problem: null });
  const wished = useRef(wish), current = useRef<ReturnType<typeof reader<T>> | null>(null);
  const last = useRef<{ of: string | null; when: readonly unknown[] }>({ of: name, when });
  wished.current = wish;
  useEffect(() => {
    if (name === null) return undefined;
    const one = current.current = reader<T>(name, () => wished.current, knownSet);
    return () => {
      current.current = null;
      one.end();
    };
  }, [name]);
  useEffect(() => {
    const isNew = last.current.of !== name || last.current.when === when;
    last.current = { of: name, when };
    if (!isNew) current.current?.soon();
  }, [name, ...when]);
  const { value, problem } = known.of === name ? known : { value: null, problem: null };
  return {
    value, problem,
    again: async () => current.current?.read(),
    put: (one) => current.current?.put(one),
  };
}

/** Items of a page, without those beyond it; [] until they are read. */
export const useItems = <T>(path: string | null, when: readonly unknown[] = []): readonly T[] =>
  useRead<Page<T>>(path, {}, when).value?.items ?? [];
