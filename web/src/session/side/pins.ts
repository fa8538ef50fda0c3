/** Pinned messages of a session: in its metadata, and the one of the address (`#pin=MESSAGE`),
 *  which is all that a key that only reads can have. */
import { signal } from "@preact/signals";

import { get, patch, type Problem } from "../../api/api.ts";
import type { Session } from "../../api/types.ts";
import type { Seat } from "../../router/router.ts";
import { may } from "../../state/me.ts";
import { words } from "./words.ts";

export const PINS_MAX = 20;
const TRIES = 3; // Others change the session at the same time.

const FULL: Problem =
  { status: 0, code: "pins_full", title: words.notPinned, detail: words.pinsFull(PINS_MAX) };

interface Stored { version: number; pins: string[] }

const stored = signal<ReadonlyMap<string, Stored>>(new Map()); // By session.
const ID = /^msg_[0-9a-z]{26}$/;

/** Pure. Metadata belongs to everybody: whatever is no message is left out. A fork has a copy of
 *  it, but other messages. */
export function pinsOf(session: string, metadata: Record<string, unknown>): string[] {
  const { of, messages } = (metadata.pins ?? {}) as { of?: unknown; messages?: unknown };
  if (of !== session || !Array.isArray(messages)) return [];
  const ids = messages.filter((one): one is string => typeof one === "string" && ID.test(one));
  return [...new Set(ids)].slice(-PINS_MAX);
}

function ofAddress({ hash: { value } }: Seat): string | null {
  const id = value.startsWith("pin=") ? value.slice(4) : "";
  return ID.test(id) ? id : null;
}

/** An answer that a newer one has overtaken changes nothing. */
function keep(session: string, { version, metadata }: Session): void {
  if ((stored.value.get(session)?.version ?? 0) > version) return;
  const pins = pinsOf(session, metadata);
  stored.value = new Map(stored.value).set(session, { version, pins });
}

export const pinned = (seat: Seat, session: string): string[] => {
  const pins = stored.value.get(session)?.pins ?? [];
  const one = ofAddress(seat);
  return one === null || pins.includes(one) ? pins : [...pins, one];
};

export async function pinsRead(session: string): Promise<void> {
  const answer = await get<Session>(`/sessions/${session}`);
  if (answer.ok) keep(session, answer.value);
}

/** Writes what `change` makes of them. null: done. */
export async function pinsChange(
  seat: Seat, session: string, change: (pins: string[]) => string[]): Promise<Problem | null> {
  const all = change(pinned(seat, session));
  const one = ofAddress(seat);
  if (one !== null && !all.includes(one)) seat.setHash("");
  if (!may("run")) {
    seat.setHash(all.length === 0 ? "" : `pin=${all.at(-1)}`);
    return null;
  }
  for (let tries = 1; ; tries++) {
    const found = await get<Session>(`/sessions/${session}`);
    if (!found.ok) return found.problem;
    const { metadata, version } = found.value;
    const messages = [...new Set(change(pinsOf(session, metadata)))];
    if (messages.length > PINS_MAX) return FULL;
    const pins = { of: session, messages };
    const answer = await patch<Session>(
      `/sessions/${session}`, { metadata: { ...metadata, pins }, version });
    if (answer.ok) {
      keep(session, answer.value);
      return null;
    }
    if (answer.problem.code !== "conflict" || tries === TRIES) return answer.problem;
  }
}
