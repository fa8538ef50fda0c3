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

export type Frame =
  | { kind: "event"; stream: string; event: StreamEvent }
  | { kind: "snapshot"; stream: string; seq: number; data: unknown }
  | { kind: "notice"; stream: string; notice: Notice }
  | { kind: "subscribed" | "unsubscribed"; stream: string }
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
  return { kind: "unknown" };
}

export function frameRead(text: string): Frame {
  const json = parse(text);
  if (!isObject(json)) return { kind: "broken" };
  const { stream, error, subscribed, unsubscribed, pong, at_ms, heartbeat } = json;
  if (isObject(error)) {
    return { kind: "error", stream: isText(stream) ? stream : undefined, error: problemOf(error) };
  }
  if (isText(stream)) return frameOfStream(stream, json);
  if (isText(subscribed)) return { kind: "subscribed", stream: subscribed };
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
export const pingText = (n: number): string => JSON.stringify({ ping: n });
export const keyText = (key: string): string => JSON.stringify({ key });
