/** The tab of a run that leads to its changes, once there are any. */
import { useSeat } from "../../router/router.ts";
import { Hint } from "../../shell/kbd.tsx";
import { useKeys } from "../../shell/keys.ts";
import { Sum, useTotals } from "./sum.tsx";
import { words } from "./words.ts";

/** Shortest time between two reads of the sum. */
const PAUSE_MS = 5_000;

export function ChangesTab({ run }: { run: string }) {
  const to = `/r/${run}/changes`, { go } = useSeat();
  const changes = useTotals(`/runs/${run}`, {
    pause_ms: PAUSE_MS,
    after: ({ type, data }) => { // The run itself, or one that it has started.
      const { id, parent } = data as { id?: string; parent?: string | null };
      return type === "run_changed" && (id === run || parent === run);
    },
  });
  useKeys([{ name: "changes", run: () => go(to) }]);
  if (changes === null) return null;
  return (
    <a class="tab" href={to} aria-label={words.about(changes)}>
      <Sum {...changes} /><Hint of="changes" />
    </a>
  );
}
