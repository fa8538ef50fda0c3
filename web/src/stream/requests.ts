/* requests.ts: what is typed into a job, and the sizes of its terminal.
 *
 * Promise    one request of a log is under way at a time, so an error belongs to it. Text arrives
 *            in order, and no piece twice: each but the first names the offset where it belongs.
 *            The first knows none; where its answer is lost with the connection it is given up
 *            (`outcome_unknown`), and so is the text behind a piece that was refused.
 * Limits     WAITING_MAX of text waits; of sizes only the newest does.
 */
import { inputText, resizeText } from "./wire.ts";
import type { Problem } from "./wire.ts";

export const WAITING_MAX = 64 << 10;
const PIECE_MAX = 2_000; // As JSON at most six times as much: a message has 16 kB.

/** null: it was accepted. */
export type Accepted = Promise<Problem | null>;

export interface Requests {
  input(text: string): Accepted;
  resize(columns: number, rows: number): Accepted;
  /** Requests may be sent now: the subscription was confirmed. */
  go(): void;
  /** The connection is lost. What was under way is sent again by the next `go`. */
  stop(): void;
  typed(next: number): void;
  resized(): void;
  /** True: the error belongs to the request that is under way. */
  refused(problem: Problem): boolean;
  end(problem: Problem): void;
}

type Piece = { kind: "input"; text: string } | { kind: "resize"; columns: number; rows: number };
type Request = Piece & {
  at: number | null; // Offset with which it was sent.
  again: boolean; // It was sent over a connection that ended.
  settle: (problem: Problem | null) => void;
};

/** Pieces of at most PIECE_MAX, each with whole characters. */
export function pieces(text: string): string[] {
  const list: string[] = [];
  for (let at = 0; at < text.length;) {
    let end = Math.min(at + PIECE_MAX, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last < 0xdc00) end--;
    list.push(text.slice(at, end));
    at = end;
  }
  return list;
}

export function requestsNew(name: string, send: (text: string) => void): Requests {
  let waiting: Request[] = [];
  let current: Request | null = null;
  let canSend = false;
  let next: number | null = null; // Where the input goes on, as far as this client knows.

  function transmit(): void {
    if (!canSend || current !== null) return;
    current = waiting.shift() ?? null;
    if (current === null) return;
    if (current.kind === "resize") send(resizeText(name, current.columns, current.rows));
    else {
      // What was typed meanwhile goes along.
      while (!current.again) {
        const following: Request | undefined = waiting[0];
        if (following?.kind !== "input" || following.again) break;
        if (current.text.length + following.text.length > PIECE_MAX) break;
        const { settle }: Request = current;
        current.text += following.text;
        current.settle = (problem) => [settle, following.settle].forEach((one) => one(problem));
        waiting.shift();
      }
      current.at = current.again ? current.at : next;
      send(inputText(name, current.text, current.at));
    }
  }

  function finish(problem: Problem | null): void {
    const done = current;
    current = null;
    done?.settle(problem);
    // Text behind a piece that is missing would be another text.
    if (problem !== null && done?.kind === "input") {
      const behind = waiting.filter(({ kind }) => kind === "input");
      waiting = waiting.filter(({ kind }) => kind !== "input");
      behind.forEach(({ settle }) => settle(problem));
    }
    transmit();
  }

  const add = (piece: Piece): Accepted => new Promise((resolve) => {
    waiting.push({ ...piece, at: null, again: false, settle: resolve });
    transmit();
  });

  return {
    async input(text) {
      const held = waiting.reduce((sum, one) => sum + (one.kind === "input" ? one.text.length : 0),
        0);
      if (held + text.length > WAITING_MAX) {
        return { code: "too_many", title: "Too much input", detail: "the job does not read it" };
      }
      const answers = await Promise.all(pieces(text).map((part) => add({ kind: "input",
                                                                         text: part })));
      return answers.find((problem) => problem !== null) ?? null;
    },
    resize(columns, rows) {
      waiting.filter(({ kind }) => kind === "resize").forEach(({ settle }) => settle(null));
      waiting = waiting.filter(({ kind }) => kind !== "resize");
      return add({ kind: "resize", columns, rows });
    },
    go() {
      canSend = true;
      transmit();
    },
    stop() {
      canSend = false;
      const cut = current;
      if (cut === null) return;
      if (cut.kind === "input" && cut.at === null) {
        finish({ code: "outcome_unknown", title: "Perhaps not typed",
                 detail: "the connection was lost before the answer to what was typed" });
      } else {
        cut.again = true;
        current = null;
        waiting.unshift(cut);
      }
    },
    typed(offset) {
      if (current?.kind !== "input") return;
      next = offset;
      finish(null);
    },
    resized: () => (current?.kind === "resize" ? finish(null) : undefined),
    refused(problem) {
      if (current === null) return false;
      if (current.kind === "input" && problem.code === "conflict") {
        next = null; // Somebody else typed, too.
        if (current.again) finish(null); // Its answer was lost, and it had arrived.
        else {
          waiting.unshift(current);
          current = null;
          transmit();
        }
      } else finish(problem);
      return true;
    },
    end(problem) {
      const all = [...(current === null ? [] : [current]), ...waiting];
      current = null;
      waiting = [];
      canSend = false;
      all.forEach(({ settle }) => settle(problem));
    },
  };
}
