/** What became of a call that was allowed: done, or why not, in the words that the model reads. */
import { useEffect, useState } from "preact/hooks";

import { get } from "../api/api.ts";
import type { Ask } from "../api/types.ts";
import { State } from "../parts/state.tsx";
import { beginning, visible } from "../parts/visible.ts";
import { follow } from "../state/live.ts";
import { words } from "./words.ts";

interface Part { number: number; state?: string; cause?: string | null; text?: string }

const TEXT_MAX = 2_000;
const OVER = ["succeeded", "failed", "denied", "interrupted", "cancelled", "timed_out"];

export function Result({ ask }: { ask: Ask }) {
  const { session, message, part } = ask;
  const [found, foundSet] = useState<Part | null>(null);
  useEffect(() => {
    if (session === null || message === null) return undefined;
    let left = false;
    const read = (): void => void get<{ parts: Part[] }>(`/messages/${message}`).then((answer) => {
      const one = answer.ok ? answer.value.parts.find(({ number }) => number === part) : undefined;
      if (!left && one !== undefined) foundSet(one);
    });
    const end = follow(`session:${session}`, {
      onSnapshot: read,
      onEvents: (events) => {
        if (events.some(({ type }) => type === "tool_finished")) read();
      },
    });
    return () => {
      left = true;
      end();
    };
  }, [session, message, part]);
  if (found?.state === undefined || !OVER.includes(found.state)) return null;
  const text = beginning(found.text ?? "", TEXT_MAX);
  return (
    <div class="result" role="status">
      <p><State state={found.state} about={words.call} /></p>
      {text === "" ? null : <pre dir="auto" class="shown" tabIndex={0}>{visible(text)}</pre>}
    </div>
  );
}
