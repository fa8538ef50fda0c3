/** Requests to the daemon: the public API, and nothing more. */
import { key, keySet } from "./key.ts";

export interface Problem {
  status: number;
  title: string;
  detail: string;
  code: string;
  /** When the daemon wants to be asked again. */
  retry_ms?: number;
  /** Must-haves of a task that are not met, each with its reason. */
  unmet?: string[];
}

export type Answer<T> = { ok: true; value: T } | { ok: false; problem: Problem };

/** Worth another try: nobody answered, or the daemon had no room. */
export const passes = ({ status }: Problem): boolean =>
  status === 0 || status === 429 || status >= 500;

const unreachable: Problem = { status: 0, title: "", detail: "", code: "unreachable" };

function problemOf({ status, headers }: Response, body: unknown): Problem {
  const given = (typeof body === "object" && body !== null ? body : {}) as Partial<Problem>;
  const retry_ms = 1_000 * Number(headers.get("retry-after"));
  return { status, title: given.title ?? "", detail: given.detail ?? "", code: given.code ?? "",
    ...(retry_ms > 0 && { retry_ms }), ...(given.unmet && { unmet: given.unmet }) };
}

const asJson = <T>(answer: Response): Promise<T> => answer.json() as Promise<T>;

async function send<T>(
  method: string, path: string, body?: unknown, from: (answer: Response) => Promise<T> = asJson,
): Promise<Answer<T>> {
  const used = key.value;
  const headers: Record<string, string> = {};
  if (used !== null) headers.authorization = `Bearer ${used}`;
  const isFile = body instanceof Blob;
  if (body !== undefined) headers["content-type"] = isFile ? body.type : "application/json";
  try {
    const answer = await fetch(`/api/v1${path}`, {
      method, headers, credentials: "omit",
      body: body === undefined ? null : isFile ? body : JSON.stringify(body),
    });
    if (answer.ok) return { ok: true, value: await from(answer) };
    const value: unknown = await answer.json();
    // A key that ended is forgotten, unless another one came meanwhile.
    if (answer.status === 401 && used !== null && key.value === used) keySet(null);
    return { ok: false, problem: problemOf(answer, value) };
  } catch {
    return { ok: false, problem: unreachable };
  }
}

/** Pauses before a read is repeated. Many parts of the pages read once and show nothing where that
 *  failed, so a failure of a moment would stay for as long as the page is open. */
const PAUSES_MS = [500, 1_500];

/** A longer wait that the daemon asks for is left to who reads. */
const RETRY_MAX_MS = 5_000;

/** A request without effect. */
async function read<T>(
  path: string, from?: (answer: Response) => Promise<T>): Promise<Answer<T>> {
  const used = key.value;
  let answer = await send("GET", path, undefined, from);
  for (const ms of PAUSES_MS) {
    if (answer.ok || !passes(answer.problem)) break;
    const { retry_ms = 0 } = answer.problem;
    if (retry_ms > RETRY_MAX_MS) break;
    await new Promise((resolve) => void setTimeout(resolve, Math.max(ms, retry_ms)));
    if (key.value !== used) break; // Somebody else, or nobody, is signed in.
    answer = await send("GET", path, undefined, from);
  }
  return answer;
}

export interface Bytes { bytes: Uint8Array<ArrayBuffer>; headers: Headers }

export const get = <T>(path: string): Promise<Answer<T>> => read<T>(path);
/** Bytes with the headers of the answer, which say where in a log they are. */
export const getBytes = (path: string): Promise<Answer<Bytes>> =>
  read<Bytes>(path, async (answer) =>
    ({ bytes: new Uint8Array(await answer.arrayBuffer()), headers: answer.headers }));
/** Bytes, such as those of an image, with their media type. */
export const getBlob = (path: string): Promise<Answer<Blob>> =>
  read(path, (answer) => answer.blob());
export const post = <T>(path: string, body: unknown): Promise<Answer<T>> =>
  send<T>("POST", path, body);
/** The bytes of a file as they are. */
export const upload = <T>(path: string, file: Blob): Promise<Answer<T>> =>
  send<T>("POST", path, file);
export const put = <T>(path: string, body: unknown): Promise<Answer<T>> =>
  send<T>("PUT", path, body);
export const patch = <T>(path: string, body: unknown): Promise<Answer<T>> =>
  send<T>("PATCH", path, body);
export const remove = <T>(path: string): Promise<Answer<T>> => send<T>("DELETE", path);
