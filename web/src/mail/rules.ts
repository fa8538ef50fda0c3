/** Rules of mail: threads out of a list, what a state means to its reader, what a form says. Pure.
 *
 *  A thread is mail that hangs together by `in_reply_to`. It is named by its oldest mail that is
 *  known: an older one may stand on a page that was not read. */
import { lastIndexOf } from "../state/arrays.ts";
import { waitsForPerson, type Mail } from "./row.ts";

export type { Mail } from "./row.ts";

/** Sender of what drover itself writes, where nobody reads an answer. */
const DROVER = "drover";
const RE = "Re: ";

export interface Thread {
  id: string;
  /** The oldest first; at least one. */
  mails: Mail[];
  title: string;
  /** It waits for the person. */
  waits: boolean;
  made_ms: number;
}

export const lastOf = (mails: readonly Mail[], is: (mail: Mail) => boolean): Mail | undefined =>
  mails[lastIndexOf(mails, is)];

const inOrder = (a: Mail, b: Mail): number => a.made_ms - b.made_ms || (a.id < b.id ? -1 : 1);

export function threadOf(mails: readonly Mail[]): Thread {
  const sorted = [...mails].sort(inOrder), [first] = sorted, last = sorted.at(-1);
  const title = first?.title ?? "";
  return {
    id: first?.id ?? "", mails: sorted, waits: sorted.some(waitsForPerson),
    title: title.startsWith(RE) ? title.slice(RE.length) : title, made_ms: last?.made_ms ?? 0,
  };
}

/** What waits for the person first, then the newest. */
export function threadsOf(mails: readonly Mail[]): Thread[] {
  const byId = new Map(mails.map((mail) => [mail.id, mail]));
  const rootOf = (mail: Mail): string => {
    const seen = new Set<string>();
    let at = mail;
    for (let up = byId.get(at.in_reply_to ?? ""); up !== undefined && !seen.has(up.id);
      up = byId.get(at.in_reply_to ?? "")) {
      seen.add(up.id);
      at = up;
    }
    return at.id;
  };
  const groups = new Map<string, Mail[]>();
  for (const mail of mails) {
    const root = rootOf(mail);
    groups.set(root, [...groups.get(root) ?? [], mail]);
  }
  return [...groups.values()].map(threadOf).sort((a, b) =>
    Number(b.waits) - Number(a.waits) || b.made_ms - a.made_ms || (a.id < b.id ? 1 : -1));
}

/** --- States --- */

export type MailState =
  "waits" | "unread" | "reading" | "read" | "answered" | "arrived" | "failed" | "retracted";

/** What the state of a mail says to people. `mails`: those of its thread. */
export function stateOf(mail: Mail, mails: readonly Mail[]): MailState {
  const { id, status, session, type, from } = mail;
  if (status === "pending") return session === null ? "waits" : "unread";
  if (status === "working") return "reading";
  if (status !== "done") return status;
  const isAnswered = mails.some((one) =>
    one.in_reply_to === id && one.from !== DROVER &&
    (one.from !== from || one.from_session !== mail.from_session) &&
    one.status !== "retracted");
  if (type === "request" && isAnswered) return "answered";
  return session === null ? "arrived" : "read";
}

/** Of a thread: what waits for the person, else its newest mail that drover did not write, and that
 *  was not taken back. */
export function spoken({ mails }: Thread): Mail | undefined {
  return mails.find(waitsForPerson) ??
    lastOf(mails, ({ from, status }) => from !== DROVER && status !== "retracted") ?? mails.at(-1);
}

/** --- What a person does --- */

export const isByDrover = ({ from }: Mail): boolean => from === DROVER;
/** Written by the person, and not by an agent of that name. */
export const isOwn = ({ from, from_session }: Mail, owner: string): boolean =>
  from_session === null && from === owner;
/** Own mail that nobody has read yet. */
export const isUnread = (mail: Mail, owner: string): boolean =>
  mail.status === "pending" && isOwn(mail, owner);

/** The mail that an answer is to; null: nobody would read one. */
export function answeredBy({ mails }: Thread, owner: string): Mail | null {
  const others = mails.filter((mail) => !isByDrover(mail));
  return others.find(waitsForPerson) ??
    lastOf(others, (mail) => !isOwn(mail, owner) && mail.status !== "retracted") ??
    lastOf(others, ({ session, status }) => session !== null && status !== "retracted") ?? null;
}

/** An answer goes where the mail came from; what a person adds to mail of their own, where that
 *  went. */
export function answerOf(mail: Mail, owner: string, text: string): Record<string, unknown> {
  const body = { in_reply_to: mail.id, text };
  if (!isOwn(mail, owner) || mail.session === null) return body;
  return { ...body, to: mail.to, ...(mail.project !== null && { project: mail.project }) };
}

/** --- The task that it is about --- */

const OVER = ["done", "failed", "cancelled"];

/** The name of its task among those of all projects; null: it is about none. */
export const taskOf = ({ project, about }: Mail): string | null =>
  (project !== null && about !== null && /^T-\d+$/.test(about) ? `${project}/${about}` : null);

export const isClosed = (status: string | undefined): boolean => OVER.includes(status ?? "");

/** --- Lists and forms --- */

const ROWS = 50;
export const listPath = (q: string): string =>
  `/mail?${new URLSearchParams({ limit: String(ROWS), ...(q !== "" && { q }) })}`;

export const fits = ({ title, from, to }: Mail, q: string): boolean =>
  [title, from, to].some((text) => text.toLowerCase().includes(q.toLowerCase()));

export const FIELDS = ["to", "project", "title", "text", "about"] as const;
export type FieldName = (typeof FIELDS)[number];

/** The body of new mail, of the fields of the form. `old`: what it replaces. */
export function bodyOf(given: Readonly<Record<string, string>>, old: Mail | null):
Record<string, unknown> {
  const body: Record<string, unknown> = { type: given.type ?? "request" };
  for (const name of FIELDS) if (given[name] !== undefined) body[name] = given[name];
  if (given.urgent !== undefined) body.urgent = true;
  if (old !== null) body.supersedes = old.id;
  if (old?.in_reply_to) body.in_reply_to = old.in_reply_to;
  return body;
}

/** The field that a sentence of the daemon is about; null: none that the form has. */
export function fieldOf(detail: string): FieldName | null {
  const [, name = ""] = /^(?:member )?"(\w+)"/.exec(detail) ?? [];
  return FIELDS.find((one) => one === name) ?? null;
}

interface ProjectAgents {
  name: string; root: string | null; agent?: string | null;
  board: { agents?: { name: string }[]; reviewer?: string } | null;
}

/** Addresses that a form offers: `agent@project`. */
export function addressesOf(projects: readonly ProjectAgents[]): string[] {
  const found = projects.flatMap(({ name, root, agent, board }) => (root === null ? []
    : [agent, ...(board?.agents ?? []).map((one) => one.name), board?.reviewer]
      .filter((one): one is string => Boolean(one)).map((one) => `${one}@${name}`)));
  return [...new Set(found)].sort();
}
