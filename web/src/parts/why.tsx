/** Why a command failed: the last lines that it wrote, errors first, where its failure stands. */
import { getBytes, type Answer } from "../api/api.ts";
import { useRead } from "../state/read.ts";
import { words } from "../words.ts";
import { lastLinesOf, TAIL_BYTES } from "./lastlines.ts";
import { visible } from "./visible.ts";

export interface LastLines { stream: "err" | "out"; text: string }

async function tail(run: string, stream: "err" | "out"): Promise<Answer<LastLines>> {
  const answer = await getBytes(
    `/jobs/${run}/logs?stream=${stream}&offset=-${TAIL_BYTES}&limit=${TAIL_BYTES}`);
  if (!answer.ok) return answer;
  const { bytes, headers } = answer.value, from = Number(headers.get("drover-offset") ?? 0);
  const text = lastLinesOf(new TextDecoder().decode(bytes), from > 0);
  return { ok: true, value: { stream, text } };
}

/** Of a job that has ended; null: it wrote nothing, or it is not read yet. */
export function useLastLines(run: string | null): LastLines | null {
  const { value } = useRead<LastLines>(run === null ? null : `last lines ${run}`, {
    from: async () => {
      const errors = await tail(run ?? "", "err");
      return errors.ok && errors.value.text !== "" ? errors : tail(run ?? "", "out");
    },
  });
  return value === null || value.text === "" ? null : value;
}

export function Why({ run }: { run: string }) {
  const last = useLastLines(run);
  return last === null ? null : (
    <pre class="why" dir="auto" tabIndex={0} aria-label={words.lastLines}>{visible(last.text)}</pre>
  );
}
