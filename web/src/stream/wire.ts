/* wire.ts: the texts that a client and the daemon send over /api/v1/ws (docs/api.md, WebSocket).
 *
 * Promise    `frameRead` never throws. An unknown frame is `unknown`, and text that is no JSON
 *            object is `broken`.
 */

export interface StreamEvent {
  seq: number;
  at_ms: number;
  type: string;
  data: unknown;
}

/** A frame of a stream without a number: stored nowhere, and a slow follower may miss one. */
export interface Notice {
  type: string;
  data: unknown;
}

/** The error of one request: application/problem+json. */
export interface Problem {
  code: string;
  status?: number;
  title?: string;
  detail?: string;
}

export type LogStream = "out" | "err" | "pty";

/** Where the log of a job begins for this subscription. */
export interface LogStart { stream: LogStream; attempt: number; from: number }

/** Bytes of a log: valid UTF-8 as `text`, others as `base64`. */
export interface LogOutput { offset: number; next: number; text?: string; base64?: string }

/** The end of an attempt. A `state` that is not final: another attempt follows. */
export interface LogEnd {
  state: string;
  cause: string;
  exit_code: number | null;
  attempt: number;
  size: number;
}

export type Frame =
  | { kind: "event"; stream: string; event: StreamEvent }
  | { kind: "snapshot"; stream: string; seq: number; data: unknown }
  | { kind: "notice"; stream: string; notice: Notice }
  | { kind: "subscribed"; stream: string; log?: LogStart }
  | { kind: "unsubscribed"; stream: string }
  | { kind: "output"; stream: string; output: LogOutput }
  | { kind: "dropped"; stream: string; dropped: { from: number; to: number } }
  | { kind: "log_done"; stream: string; end: LogEnd }
  | { kind: "typed"; stream: string; next: number }
  | { kind: "resized"; stream: string }
  | { kind: "done"; stream: string; after: number }
  | { kind: "closing"; stream: string; code: string | undefined }
  | { kind: "error"; stream: string | undefined; error: Problem }
  | { kind: "pong"; n: number; at_ms: number }
  | { kind: "heartbeat" | "signed_in" | "unknown" | "broken" };

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value: unknown): value is number => Number.isSafeInteger(value);
const isText = (value: unknown): value is string => typeof value === "string";

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problemOf(value: Fields): Problem {
  const { code, status, title, detail } = value;
  return {
    code: isText(code) ? code : "unknown",
    ...(isNumber(status) && { status }),
    ...(isText(title) && { title }),
    ...(isText(detail) && { detail }),
  };
}

/** A frame of the log of a job. */
function frameOfLog(stream: string, { output, dropped, done }: Fields): Frame | null {
  if (isObject(output)) {
    const { offset, next, text, base64 } = output;
    if (!isNumber(offset) || !isNumber(next)) return null;
    if (isText(text)) return { kind: "output", stream, output: { offset, next, text } };
    if (isText(base64)) return { kind: "output", stream, output: { offset, next, base64 } };
  } else if (isObject(dropped)) {
    const { from, to } = dropped;
    if (isNumber(from) && isNumber(to)) return { kind: "dropped", stream, dropped: { from, to } };
  } else if (isObject(done)) {
    const { state, cause, exit_code, attempt, size } = done;
    if (!isText(state) || !isNumber(attempt) || !isNumber(size)) return null;
    return { kind: "log_done", stream, end: {
      state, cause: isText(cause) ? cause : "", exit_code: isNumber(exit_code) ? exit_code : null,
      attempt, size,
    } };
  }
  return null;
}

function startOf(log: unknown): LogStart | undefined {
  if (!isObject(log)) return undefined;
  const { stream, attempt, from } = log;
  const named = stream === "out" || stream === "err" || stream === "pty";
  return named && isNumber(attempt) && isNumber(from) ? { stream, attempt, from } : undefined;
}

/** A frame that names the stream that it is of. */
function frameOfStream(stream: string, json: Fields): Frame {
  const { seq, at_ms, type, data, done, closing } = json;
  if (isText(type)) {
    if (!isNumber(seq)) return { kind: "notice", stream, notice: { type, data } };
    if (type === "snapshot") return { kind: "snapshot", stream, seq, data };
    const time = isNumber(at_ms) ? at_ms : 0;
    return { kind: "event", stream, event: { seq, at_ms: time, type, data } };
  }
  if (isObject(done) && isNumber(done.after)) return { kind: "done", stream, after: done.after };
  if (isObject(closing)) {
    return { kind: "closing", stream, code: isText(closing.code) ? closing.code : undefined };
  }
  return frameOfLog(stream, json) ?? { kind: "unknown" };
}

export function frameRead(text: string): Frame {
  const json = parse(text);
  if (!isObject(json)) return { kind: "broken" };
  const { stream, error, subscribed, unsubscribed, pong, at_ms, heartbeat } = json;
  const { input, resize, next } = json;
  if (isObject(error)) {
    return { kind: "error", stream: isText(stream) ? stream : undefined, error: problemOf(error) };
  }
  if (isText(stream)) return frameOfStream(stream, json);
  if (isText(subscribed)) {
    const log = startOf(json.log);
    return { kind: "subscribed", stream: subscribed, ...(log !== undefined && { log }) };
  }
  if (isText(input) && isNumber(next)) return { kind: "typed", stream: input, next };
  if (isText(resize)) return { kind: "resized", stream: resize };
  if (isText(unsubscribed)) return { kind: "unsubscribed", stream: unsubscribed };
  if (isNumber(pong) && isNumber(at_ms)) return { kind: "pong", n: pong, at_ms };
  if (isText(json.signed_in)) return { kind: "signed_in" };
  return { kind: isObject(heartbeat) ? "heartbeat" : "unknown" };
}

/** `after` null: no event is known yet, so the stream begins with a snapshot. */
export const subscribeText = (stream: string, after: number | null): string =>
  JSON.stringify(after === null ? { subscribe: stream, snapshot: true }
                                : { subscribe: stream, after });
export const unsubscribeText = (stream: string): string => JSON.stringify({ unsubscribe: stream });
export const logText = (log: string, place: {
  stream?: LogStream | undefined; attempt?: number | undefined; offset?: number | undefined;
}): string => JSON.stringify({ subscribe: log, ...place });
export const ackText = (log: string, offset: number): string =>
  JSON.stringify({ ack: log, offset });
/** `offset` null: wherever the input goes on. */
export const inputText = (log: string, text: string, offset: number | null): string =>
  JSON.stringify(offset === null ? { input: log, text } : { input: log, text, offset });
export const resizeText = (log: string, columns: number, rows: number): string =>
  JSON.stringify({ resize: log, columns, rows });
export const pingText = (n: number): string => JSON.stringify({ ping: n });
export const keyText = (key: string): string => JSON.stringify({ key });
