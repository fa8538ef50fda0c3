/** Messages on their way, and what is being written. A message is kept with its `client_id` until
 *  the daemon has it: sent again after a cut, or after the page was loaded again, it is the same
 *  message and no second one. Each has an entry of its own in the storage that all tabs share, so
 *  none writes over another's; what one tab does, the others do too. */
import { effect, signal, type ReadonlySignal } from "@preact/signals";

import { passes, post, type Problem } from "../api/api.ts";
import { storageRead as read, storageSet as store } from "../state/draft.ts";
import { link } from "../state/live.ts";

export { draftKeep, draftOf } from "../state/draft.ts";

export interface Letter {
  client_id: string;
  text: string;
  attachments: string[];
  policy: string;
  made_ms: number;
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
const OTHERS_MS = 5_000; // The tab that a message was written in sends it first.
const LETTERS_MAX = 100; // As many as the daemon queues.

function letterOf(value: unknown): Letter | null {
  const { client_id, text, attachments, policy, made_ms, refused } =
    (value ?? {}) as Partial<Letter>;
  const isLetter = typeof client_id === "string" && typeof text === "string" &&
    Array.isArray(attachments) && typeof policy === "string" && typeof made_ms === "number" &&
    typeof refused === "object";
  return isLetter ? value as Letter : null;
}

function lettersOf(prefix: string): Letter[] {
  try {
    return Object.keys(localStorage).filter((name) => name.startsWith(prefix))
      .flatMap((name) => letterOf(read(name)) ?? []);
  } catch {
    return []; // Storage is switched off.
  }
}

/** crypto.randomUUID is only there on an origin that is safe. */
function idNew(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `web_${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

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
  const prefix = `drover.outbox.${session}.`;
  const inOrder = (list: Letter[]): Letter[] => list.sort((a, b) => a.made_ms - b.made_ms);
  const letters = signal<Letter[]>(inOrder(lettersOf(prefix)));
  let sending = false;
  let ended = false;
  let delay = RETRY_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const taken = (id: string, letter: Letter | null): void => {
    const others = letters.value.filter(({ client_id }) => client_id !== id);
    letters.value = letter === null ? others : inOrder([...others, letter]);
  };
  /** null: it is gone. */
  const keep = (id: string, letter: Letter | null): void => {
    taken(id, letter);
    store(prefix + id, letter);
  };
  const find = (id: string): Letter | undefined =>
    letters.value.find(({ client_id }) => client_id === id);
  const later = (ms: number): void => {
    if (!ended) timer ??= setTimeout(() => void flush(), ms);
  };
  const heard = ({ key, newValue }: StorageEvent): void => {
    if (!key?.startsWith(prefix)) return;
    const letter = newValue === null ? null : letterOf(read(key));
    taken(key.slice(prefix.length), letter);
    if (letter?.refused === null && !sending) later(OTHERS_MS); // Its tab may end first.
  };

  /** One after the other, so that they keep their order. */
  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
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
      keep(client_id, null);
    } else if (passes(answer.problem)) {
      later(delay);
      delay = Math.min(delay * 2, RETRY_MAX_MS);
      return;
    } else if (answer.problem.status !== 401) {
      // Where another tab has sent or removed it, nothing is to be said.
      if (find(client_id) !== undefined) keep(client_id, { ...letter, refused: answer.problem });
    } else return; // Whoever signs in sends it.
    void flush();
  }

  const unlink = effect(() => {
    if (link.value?.phase === "open") void flush();
  });
  addEventListener("storage", heard);
  return {
    letters,
    send: (given) => {
      if (letters.value.length >= LETTERS_MAX) return false;
      const client_id = idNew();
      const made_ms = Math.max(Date.now(), (letters.value.at(-1)?.made_ms ?? 0) + 1);
      keep(client_id, { ...given, client_id, made_ms, refused: null });
      void flush();
      return true;
    },
    again: (id) => {
      const letter = find(id);
      if (letter !== undefined) keep(id, { ...letter, refused: null });
      void flush();
    },
    drop: (id) => keep(id, null),
    end: () => {
      ended = true;
      clearTimeout(timer);
      removeEventListener("storage", heard);
      unlink();
    },
  };
}
