/** Questions to the worker, one at a time, each with a budget of time.
 *
 *     off --ask--> starting --ready--> idle <--answer, ask--> busy
 *                  starting --error, too late--> resting --time--> off
 *                  busy --budget, error--> off (the worker is ended)
 *
 *  A text that used up its budget twice, or that the lexer cannot read, is remembered by its hash
 *  and never read again. A worker that cannot be loaded is tried again, a few times, while texts
 *  wait for it; then those stay plain. */
import type { Answer, Job } from "./tree.ts";

export interface Port {
  post(job: Job): void;
  end(): void;
}

export interface Hears {
  ready(): void;
  /** null: the lexer failed. */
  answer(answer: Answer | null): void;
  error(): void;
}

export interface Parts {
  start(hears: Hears): Port;
  after(ms: number, call: () => void): () => void;
}

/** failed: this text never becomes a tree. */
export type Outcome = Answer | "failed";

export interface Question {
  /** Called when its turn has come; null: there is nothing to ask any more. */
  job(): Job | null;
  take(outcome: Outcome): void;
}

export interface Queue {
  /** Returns what withdraws the question. */
  ask(question: Question): () => void;
  refuses(text: string): boolean;
}

/** A long text of many blocks takes about the first one, so that chance would decide. A text that
 *  has ended is read again with the second, after all others. */
const BUDGET_MS = 300, BUDGET_AGAIN_MS = 2000;
/** The page itself may have been busy while the answer lay there: it is looked at once more. */
const GRACE_MS = 50;
const START_MAX_MS = 20_000;
const REST_MS = 10_000, STARTS_MAX = 6;
const REMEMBERED_MAX = 1000;

/** Two numbers of 32 bits and the length: texts that differ have another one. */
export function hashOf(text: string): string {
  let a = 0x811c9dc5, b = 0x9e3779b9;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca6b);
  }
  return `${a >>> 0}.${b >>> 0}.${text.length}`;
}

/** A set that drops its oldest members. */
function remember(hashes: Set<string>, text: string): void {
  hashes.add(hashOf(text));
  const oldest = hashes.values().next();
  if (hashes.size > REMEMBERED_MAX && oldest.done !== true) hashes.delete(oldest.value);
}

const remembers = (hashes: Set<string>, text: string): boolean =>
  hashes.size > 0 && hashes.has(hashOf(text));

export function queueOf({ start, after }: Parts): Queue {
  let phase: "off" | "starting" | "idle" | "busy" | "resting" = "off";
  let starts = 0; // In a row, without a worker that came up.
  let port: Port | null = null;
  let asked: { question: Question; job: Job } | null = null;
  let cancelTimer = (): void => {};
  const waiting = new Set<Question>(); // In their order. As many as texts are on the page.
  const late = new Set<string>(), refused = new Set<string>();

  function enter(next: typeof phase, ms: number, call: () => void): void {
    cancelTimer();
    phase = next;
    cancelTimer = ms > 0 ? after(ms, call) : () => {};
  }

  function end(): void {
    port?.end();
    port = null;
  }

  function settle(outcome: Outcome): void {
    const done = asked;
    asked = null;
    if (done === null) return;
    if (outcome === "failed" && done.job.whole) remember(refused, done.job.text);
    done.question.take(outcome);
  }

  function rest(): void {
    end();
    if (starts >= STARTS_MAX) {
      waiting.clear();
      starts = 0;
    }
    enter("resting", REST_MS, () => {
      enter("off", 0, next);
      next();
    });
  }

  function expire(): void {
    end();
    enter("off", 0, next);
    if (asked?.job.whole === true && !remembers(late, asked.job.text)) {
      remember(late, asked.job.text);
      waiting.add(asked.question);
      asked = null;
    }
    settle("failed");
    next();
  }

  function begin(): void {
    starts++;
    enter("starting", START_MAX_MS, rest);
    port = start({
      ready: () => {
        starts = 0;
        enter("idle", 0, next);
        next();
      },
      answer: (answer) => {
        enter("idle", 0, next);
        settle(answer ?? "failed");
        next();
      },
      error: () => (phase === "starting" ? rest() : expire()),
    });
  }

  function next(): void {
    if (waiting.size === 0) return;
    if (phase === "off") begin();
    while (phase === "idle" && port !== null) {
      const first = waiting.values().next();
      if (first.done === true) return;
      waiting.delete(first.value);
      const job = first.value.job();
      if (job === null) continue;
      asked = { question: first.value, job };
      const budget = job.whole && remembers(late, job.text) ? BUDGET_AGAIN_MS : BUDGET_MS;
      enter("busy", budget, () => enter("busy", GRACE_MS, expire));
      port.post(job);
    }
  }

  return {
    ask(question) {
      waiting.add(question);
      next();
      return () => {
        waiting.delete(question);
        // The worker goes on with it, and its budget holds.
        if (asked?.question === question) asked.question = { job: () => null, take: () => {} };
      };
    },
    refuses: (text) => remembers(refused, text),
  };
}
