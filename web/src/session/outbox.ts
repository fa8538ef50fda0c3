/** Messages on their way, and what is being written. A message is kept with its `client_id` until
 *  the daemon has it: sent again after a cut, or after the page was loaded again, it is the same
 *  message and no second one. */
import { effect, signal, type ReadonlySignal } from "@preact/signals";

import { post, type Problem } from "../api/api.ts";
import { link } from "../state/live.ts";

export interface Letter {
  client_id: string;
  text: string;
  attachments: string[];
  policy: string;
  /** The daemon's no. null: it is on its way. */
  refused: Problem | null;
}

export interface Outbox {
  letters: ReadonlySignal<Letter[]>;
  /** False: as many are on their way as may be, and this one was not taken. */
  send(letter: { text: string; attachments: string[]; policy: string }): boolean;
  again(id: string): void;
  drop(id: string): void;
  end(): void;
}

const RETRY_MS = 1_000, RETRY_MAX_MS = 30_000;
const LETTERS_MAX = 100; // As many as the daemon queues.

function stored<T>(name: string, empty: T): T {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "") as T;
  } catch {
    return empty; // Nothing is stored, or storage is switched off.
  }
}

function store(name: string, value: unknown): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Full, or switched off: it lives as long as the page.
  }
}

export const draftOf = (session: string): string => stored(`drover.draft.${session}`, "");
export const draftKeep = (session: string, text: string): void =>
  store(`drover.draft.${session}`, text === "" ? null : text);

/** crypto.randomUUID is only there on an origin that is safe. */
function idNew(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `web_${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Worth another try: nobody answered, or the daemon had no room. */
const passes = ({ code, status }: Problem): boolean =>
  code === "unreachable" || status >= 500 || status === 429;

const shared = new Map<string, { outbox: Outbox; users: number }>();

/** The one of the session, however many panes show it. */
export function outboxOf(session: string): Outbox {
  const one = shared.get(session) ?? { outbox: outboxNew(session), users: 0 };
  shared.set(session, one);
  one.users++;
  return { ...one.outbox, end: () => {
    if (--one.users > 0) return;
    shared.delete(session);
    one.outbox.end();
  } };
}

function outboxNew(session: string): Outbox {
  const name = `drover.outbox.${session}`;
  const letters = signal<Letter[]>(stored<Letter[]>(name, []));
  let sending = false;
  let ended = false;
  let delay = RETRY_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const set = (next: Letter[]): void => {
    letters.value = next;
    store(name, next.length === 0 ? null : next);
  };
  const without = (id: string): Letter[] => letters.value.filter((one) => one.client_id !== id);

  /** One after the other, so that they keep their order. */
  async function flush(): Promise<void> {
    clearTimeout(timer);
    const letter = letters.peek().find(({ refused }) => refused === null);
    if (sending || ended || letter === undefined) return;
    sending = true;
    const { client_id, text, attachments, policy } = letter;
    const answer = await post(`/sessions/${session}/messages`, {
      client_id, text, policy, ...(attachments.length > 0 ? { attachments } : {}),
    });
    sending = false;
    if (answer.ok) {
      delay = RETRY_MS;
      set(without(client_id));
    } else if (passes(answer.problem)) {
      if (!ended) timer = setTimeout(() => void flush(), delay);
      delay = Math.min(delay * 2, RETRY_MAX_MS);
      return;
    } else if (answer.problem.status !== 401) {
      set(letters.value.map((one) =>
        (one.client_id === client_id ? { ...one, refused: answer.problem } : one)));
    } else return; // Whoever signs in sends it.
    void flush();
  }

  const unlink = effect(() => {
    if (link.value?.phase === "open") void flush();
  });
  return {
    letters,
    send: (letter) => {
      if (letters.value.length >= LETTERS_MAX) return false;
      set([...letters.value, { ...letter, client_id: idNew(), refused: null }]);
      void flush();
      return true;
    },
    again: (id) => {
      set(letters.value.map((one) => (one.client_id === id ? { ...one, refused: null } : one)));
      void flush();
    },
    drop: (id) => set(without(id)),
    end: () => {
      ended = true;
      clearTimeout(timer);
      unlink();
    },
  };
}
