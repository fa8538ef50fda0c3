/** What the view reads: the list of mail, which lives; a thread whole; the text of a mail; the
 *  tasks that mail is about; addresses. */
import { signal, type ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import { followKeyed } from "../state/keyed.ts";
import { followOwner } from "../state/owner.ts";
import { useItems, useRead, type Read } from "../state/read.ts";
import { followRows, type RowsFollow } from "../state/rows.ts";
import type { Page } from "../api/types.ts";
import { addressesOf, fits, listPath, taskOf, type Mail } from "./rules.ts";

/** Most mail of a thread, and most requests at once. */
const THREAD_MAX = 500, AT_ONCE = 4;

export function useMails(q: string): RowsFollow<Mail> {
  const list = useMemo(() => followRows<Mail>({
    path: listPath(q), type: "mail_changed", fits: (row) => fits(row, q),
  }), [q]);
  useEffect(() => list.end, [list]);
  return list;
}

/** Each of the ids, a few at a time; `call` may add more of them. */
async function each(ids: string[], call: (id: string) => Promise<void>): Promise<void> {
  let at = 0;
  while (at < ids.length) {
    const some = ids.slice(at, at + AT_ONCE);
    at += some.length;
    await Promise.all(some.map(call));
  }
}

/** --- A thread --- */

interface Whole { mails: readonly Mail[]; ready: boolean; more: boolean; problem: Problem | null }

interface ThreadFollow { thread: ReadonlySignal<Whole>; again(): void; end(): void }

const at = (id: string): string => `/mail/${encodeURIComponent(id)}`;

/** `known`: what a list had of it. */
function followThread(id: string, known: readonly Mail[]): ThreadFollow {
  const thread = signal<Whole>({ mails: known, ready: false, more: false, problem: null });
  const set = (found: ReadonlyMap<string, Mail>, change: Partial<Whole>): void =>
    void (thread.value = { ...thread.value, mails: [...found.values()], ...change });
  const byId = (): Map<string, Mail> =>
    new Map(thread.value.mails.map((mail) => [mail.id, mail]));
  const read = async (isDue: () => boolean): Promise<void> => {
    const found = byId();
    let problem: Problem | null = null;
    const one = async (wanted: string): Promise<void> => {
      const answer = await get<Mail>(at(wanted));
      if (answer.ok) found.set(wanted, answer.value);
      else problem = answer.problem;
    };
    const root = (): Mail | undefined =>
      [...found.values()].find(({ in_reply_to: up }) => up !== null && !found.has(up));
    if (!found.has(id)) await one(id);
    for (let low = root(); low !== undefined && problem === null && found.size < THREAD_MAX;
      low = root()) await one(low.in_reply_to ?? "");
    const ids = [...found.keys()];
    await each(ids, async (up) => {
      if (!isDue() || found.size >= THREAD_MAX) return;
      const answer = await get<Page<Mail>>(`/mail?limit=200&in_reply_to=${up}`);
      if (!answer.ok) problem = answer.problem;
      for (const mail of answer.ok ? answer.value.items : []) {
        if (!found.has(mail.id)) ids.push(mail.id);
        found.set(mail.id, { ...found.get(mail.id), ...mail });
      }
    });
    if (isDue()) set(found, { ready: true, more: found.size >= THREAD_MAX, problem });
  };
  const live = followKeyed<Mail>({ type: "mail_changed", read, apply: (rows) => {
    const found = byId();
    for (const row of rows) {
      if (row.removed || row.left_out) continue;
      if (found.has(row.id) || found.has(row.in_reply_to ?? "")) {
        found.set(row.id, { ...found.get(row.id), ...row });
      }
    }
    set(found, {});
  } });
  return { thread, again: () => void live.read(), end: live.end };
}

export function useThread(id: string, known: readonly Mail[]): ThreadFollow {
  const follow = useMemo(() => followThread(id, known), [id]);
  useEffect(() => follow.end, [follow]);
  return follow;
}

/** Texts never change: what was read stays. null: not read yet. */
type Text = { text: string | null } & Pick<Read<Mail>, "problem" | "again">;
export function useText(mail: Mail): Text {
  const { value, problem, again } = useRead<Mail>(mail.text == null ? at(mail.id) : null);
  return { text: mail.text ?? (value === null ? null : value.text ?? ""), problem, again };
}

/** --- Tasks --- */

/** The status of each task that this mail is about, by `project/T-31`, as far as it is known. */
export function useTasks(mails: readonly Mail[]): ReadonlyMap<string, string> {
  const [statuses, statusesSet] = useState<ReadonlyMap<string, string>>(new Map());
  const [resets, resetsSet] = useState(0);
  const names = [...new Set(mails.map(taskOf))].filter((one) => one !== null).sort();
  const put = (name: string, status: string): void =>
    statusesSet((before) => new Map(before).set(name, status));
  useEffect(() => {
    let isOver = false;
    void each([...names], async (name) => {
      if (isOver) return;
      const answer = await get<{ status: string }>(`/projects/${name.replace("/", "/tasks/")}`);
      if (answer.ok && !isOver) put(name, answer.value.status);
    });
    return () => void (isOver = true);
  }, [names.join(), resets]);
  useEffect(() => followOwner({
    onReset: () => resetsSet((before) => before + 1),
    onEvents: (events) => {
      for (const { type, data } of events) {
        const { project, name, status } = data as Record<string, string | undefined>;
        if (type === "task_changed" && status !== undefined) put(`${project}/${name}`, status);
      }
    },
  }), []);
  return statuses;
}

/** What a form offers; what cannot be read is not offered. */
export const useAddresses = (): readonly string[] =>
  addressesOf(useItems<Parameters<typeof addressesOf>[0][number]>("/projects?limit=200"));
