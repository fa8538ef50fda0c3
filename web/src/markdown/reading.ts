/** How far a text was read: its finished blocks are kept, and only what follows them is read again
 *  while it grows. When the text has ended it is read once as a whole, since a late `[id]: address`
 *  changes earlier blocks. */
import type { Queue } from "./queue.ts";
import type { Answer, Block, Job, Room } from "./tree.ts";

/** Longer texts stay plain. */
export const TEXT_MAX = 2 << 20;
/** What is drawn at first. */
const ROOM: Room = { chars: 64 * 1024, nodes: 4000 };

export interface Reading {
  /** The text that was read, and the length of what the finished blocks are made of. */
  source: string;
  settled: number;
  blocks: Block[];
  finished: number;
  spent: Room;
  whole: boolean;
  cut: boolean;
  factor: number;
}

export interface Wish {
  text: string;
  /** The text has ended. */
  done: boolean;
  /** How many times the first room. */
  factor: number;
}

const NOTHING = { chars: 0, nodes: 0 };

/** A reading is of use as long as the text only grew. */
export const fits = (reading: Reading, text: string): boolean => text.startsWith(reading.source);

/** Where the next job begins: the blocks that stand. */
function base(reading: Reading | null, { text, done, factor }: Wish): Reading {
  if (!done && reading !== null && reading.factor === factor && fits(reading, text)) return reading;
  return {
    source: "", settled: 0, blocks: [], finished: 0, spent: NOTHING, whole: false, cut: false,
    factor,
  };
}

/** null: the reading is what is wished. */
export function jobOf(reading: Reading | null, wish: Wish): Job | null {
  const { text, done, factor } = wish;
  const isSame = reading?.source === text && reading.whole === done && reading.factor === factor;
  if (isSame) return null;
  const from = base(reading, wish);
  if (from.cut) return null; // What follows is not drawn.
  return {
    text: text.slice(from.settled),
    whole: done,
    room: {
      chars: ROOM.chars * factor - from.spent.chars,
      nodes: ROOM.nodes * factor - from.spent.nodes,
    },
  };
}

export function joined(reading: Reading | null, wish: Wish, answer: Answer): Reading {
  const from = base(reading, wish);
  return {
    source: wish.text,
    settled: from.settled + answer.length,
    blocks: [...from.blocks.slice(0, from.finished), ...answer.blocks],
    finished: from.finished + answer.finished,
    spent: {
      chars: from.spent.chars + answer.spent.chars, nodes: from.spent.nodes + answer.spent.nodes,
    },
    whole: wish.done,
    cut: answer.cut,
    factor: wish.factor,
  };
}

/** Readings of texts that ended, for a row that is drawn again when it scrolls back into view. */
const KEPT_MAX = 1 << 20; // Characters that they draw, at most, in all.
const kept = new Map<string, Reading>();
let keptChars = 0;

const costOf = (text: string): number => Math.min(text.length, ROOM.chars);

function forget(text: string): void {
  if (kept.delete(text)) keptChars -= costOf(text);
}

function keep(reading: Reading): void {
  forget(reading.source);
  kept.set(reading.source, reading);
  keptChars += costOf(reading.source);
  for (const text of kept.keys()) {
    if (keptChars <= KEPT_MAX) break;
    forget(text);
  }
}

export const known = (text: string): Reading | null => kept.get(text) ?? null;

export interface Follower {
  want(wish: Wish): void;
  stop(): void;
}

/** Follows one text. `changed` gets null where the text has to stay plain. It asks one question at
 *  a time, for the text as it is when its turn comes, so answers come in the order of the text. */
export function follow(
  queue: Queue, seed: Reading | null, changed: (reading: Reading | null) => void,
): Follower {
  let reading = seed;
  let wished: Wish | null = null, sent: Wish | null = null;
  let withdraw: (() => void) | null = null;
  let gaveUp = false; // What came so far could not be read; when it has ended, it is tried once.

  function plain(): void {
    reading = null;
    changed(null);
  }

  function next(): void {
    if (wished === null || withdraw !== null || (gaveUp && !wished.done)) return;
    if (jobOf(reading, wished) === null) return;
    if (wished.text.length > TEXT_MAX || (wished.done && queue.refuses(wished.text))) {
      if (reading !== null) plain();
      return;
    }
    withdraw = queue.ask({
      job: () => {
        sent = wished;
        const job = sent === null ? null : jobOf(reading, sent);
        if (job === null) withdraw = null;
        return job;
      },
      take: (outcome) => {
        withdraw = null;
        if (sent === null) return;
        if (outcome === "failed") {
          gaveUp = !sent.done;
          plain();
        } else {
          reading = joined(reading, sent, outcome);
          if (reading.whole && reading.factor === 1) keep(reading);
          changed(reading);
        }
        next();
      },
    });
  }

  return {
    want(wish) {
      wished = wish;
      next();
    },
    stop() {
      withdraw?.();
      withdraw = null;
      wished = null;
    },
  };
}
