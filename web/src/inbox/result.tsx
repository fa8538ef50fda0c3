/** What became of a call that was allowed: done, or why not, in the words that the model reads. */
import { useEffect } from "preact/hooks";

import type { Ask } from "../api/types.ts";
import { State } from "../parts/state.tsx";
import { beginning, visible } from "../parts/visible.ts";
import { follow } from "../state/live.ts";
import { useRead } from "../state/read.ts";
import { words } from "./words.ts";

interface Part { number: number; state?: string; cause?: string | null; text?: string }

const TEXT_MAX = 2_000;
const OVER = ["succeeded", "failed", "denied", "interrupted", "cancelled", "timed_out"];

export function Result({ ask }: { ask: Ask }) {
  const { session, message, part } = ask;
  const isThere = session !== null && message !== null;
  const { value, again } = useRead<{ parts: Part[] }>(isThere ? `/messages/${message}` : null);
  const found = value?.parts.find(({ number }) => number === part);
  useEffect(() => (session === null ? undefined : follow(`session:${session}`, {
    onSnapshot: () => void again(),
    onEvents: (events) => {
      if (events.some(({ type }) => type === "tool_finished")) void again();
    },
  })), [session, message]);
  if (found?.state === undefined || !OVER.includes(found.state)) return null;
  const text = beginning(found.text ?? "", TEXT_MAX);
  return (
    <div class="result" role="status">
      <p><State state={found.state} about={words.call} /></p>
      {text === "" ? null : <pre dir="auto" class="shown" tabIndex={0}>{visible(text)}</pre>}
    </div>
  );
}
