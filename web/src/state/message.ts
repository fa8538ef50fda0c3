/** A message, and what the events of its turn do to it. Pure. */
import type { Message as Row, Part as PartRow } from "../api/types.ts";
import type { StreamEvent } from "../stream/index.ts";
import { lastIndexOf, withAt, withInserted } from "./arrays.ts";

/** `number` 0: the answer runs and nobody knows it. `ms`: only the event of a call tells it. */
export type Part = Omit<PartRow, "ms"> & { ms?: number | null };
export interface Message extends Omit<Row, "parts"> {
  parts: Part[];
  /** Of the call that runs. */
  step?: number;
  /** Why the model is asked once more; until something comes. */
  asked?: string | null;
}

interface Data {
  step?: number; text?: string; cause?: string | null; part?: number; tool?: string;
  state?: string; ms?: number | null; arguments?: string; arguments_text?: string;
  result?: string; diff?: string; diff_cut?: boolean; cut?: boolean; decision?: string;
}

/** What was known gets another content. Times of tools stay, also where a trace is gone. */
export function changed(old: Message, message: Message): Message {
  const known = new Map(old.parts.map((part) => [part.number, part]));
  const parts = message.parts.map((part) => {
    const before = part.kind === "tool" ? known.get(part.number) : undefined;
    return before?.ms === undefined ? part : { ...part, ms: before.ms };
  });
  return { ...message, parts };
}

/** An event of the message itself has of an answer that runs only what is stored. */
export const edited = (old: Message, message: Message): Message =>
  (old.status === "running" && message.status === "running"
    ? { ...message, parts: old.parts, step: old.step ?? 0 } : changed(old, message));

/** A message that came while the answer ran was read by the model. */
export function joined(answer: Message, { parts }: Message): Message {
  const step = answer.step ?? 0;
  const steers = parts.filter(({ kind }) => kind === "text" || kind === "image").map((part) =>
    ({ ...part, number: 0, step, kind: part.kind === "text" ? "steer" : part.kind }));
  return { ...answer, parts: [...answer.parts, ...steers] };
}

/** `note`: why an answer failed, or what a summary says of itself. */
export function ended(
  message: Message, { status, cause, note }: {
    status: Message["status"]; cause: string | null; note: string;
  },
): Message {
  const failed = status === "failed";
  const kind = failed ? "error" : message.role === "system" ? "text" : null;
  const parts: Part[] = kind === null || note === "" ? message.parts : [...message.parts, {
    number: 0, kind, text: note, step: message.step ?? 0, data: failed ? { cause } : {},
  }];
  return { ...message, status, cause, parts, error: failed ? note : message.error, asked: null };
}

const ORDER = ["thinking", "text", "tool"];
const rank = ({ kind }: Part): number => ORDER.indexOf(kind);

/** Behind everything of the steps before it, and what the model says before it in its step. */
function inserted(parts: Part[], part: Part): Part[] {
  const isBefore = (one: Part): boolean => {
    const [step, mine] = [one.step ?? 0, part.step ?? 0];
    if (step !== mine) return step < mine;
    if (rank(one) !== rank(part)) return rank(one) < rank(part);
    return part.kind !== "tool" || one.number < part.number;
  };
  return withInserted(parts, lastIndexOf(parts, isBefore) + 1, part);
}

function grown(message: Message, kind: Part["kind"], { step = 0, text = "" }: Data): Message {
  const at = lastIndexOf(message.parts, (one) => one.kind === kind && one.step === step);
  const part = message.parts[at];
  // Of a text that was cut the rest is missing: what comes stands beside it.
  const parts = part === undefined || part.cut
    ? inserted(message.parts, { number: 0, kind, text, step, data: {} })
    : withAt(message.parts, at, { ...part, text: part.text + text });
  return { ...message, parts, asked: null };
}

/** Everything since the call began is void. */
function voided(message: Message, { step = 0, cause = null }: Data, asked: boolean): Message {
  const parts = message.parts.filter(
    (part) => part.step !== step || (part.kind !== "text" && part.kind !== "thinking"));
  return { ...message, parts, step, asked: asked ? cause ?? "" : message.asked ?? null };
}

function argumentsOf(data: Data): Record<string, unknown> {
  if (data.arguments !== undefined) {
    try {
      return { arguments: JSON.parse(data.arguments) as unknown };
    } catch {
      return { arguments: null, arguments_text: data.arguments }; // Too long for an event.
    }
  }
  return data.arguments_text === undefined ? {}
    : { arguments: null, arguments_text: data.arguments_text };
}

function diffOf(data: Data): Record<string, unknown> {
  if (data.diff === undefined && !data.diff_cut) return {};
  return { about: { diff: data.diff ?? "", diff_cut: data.diff_cut ?? false } };
}

function toolHeard(message: Message, data: Data): Message {
  const { part: number = 0, tool = "", state, cause, ms, result, cut } = data;
  const at = message.parts.findIndex((part) => part.kind === "tool" && part.number === number);
  const old = message.parts[at] ?? {
    number, kind: "tool", name: tool, text: "", step: message.step ?? 0, data: {},
  };
  const part: Part = {
    ...old, data: { ...old.data, ...argumentsOf(data), ...diffOf(data) },
    state: state ?? old.state ?? "running",
    cause: cause === undefined ? old.cause ?? null : cause,
    ms: ms === undefined ? old.ms ?? null : ms, text: result ?? old.text,
  };
  if (result !== undefined && cut) part.cut = true;
  const parts = at < 0 ? inserted(message.parts, part) : withAt(message.parts, at, part);
  return { ...message, parts };
}

/** A question about a call: the row of the approval, whose own state and cause are not the call's.
 */
function asked(message: Message, data: Data, state: string): Message {
  if (typeof data.part !== "number" || data.part === 0) return message;
  const { part, tool = "" } = data;
  return toolHeard(message, { part, tool, state });
}

export function heard(message: Message, { type, data: given }: StreamEvent): Message {
  const data = given as Data;
  switch (type) {
    case "output_started": return voided(message, data, false);
    case "output_discarded": return voided(message, data, true);
    case "delta": return grown(message, "text", data);
    case "thinking_delta": return grown(message, "thinking", data);
    case "tool_started":
    case "tool_finished": return toolHeard(message, data);
    case "tool_reviewed": return asked(message, data, "reviewing");
    case "approval_asked":
    case "question_asked": return asked(message, data, "asking");
    case "approval_answered":
    case "question_answered":
      return asked(message, data, data.state === "denied" ? "denied" : "running");
    default: return message;
  }
}
