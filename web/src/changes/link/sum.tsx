/** How much is changed: `3 files +12 −4`. */
import type { Changes } from "../../api/types.ts";
import { useRead, type ReadWish } from "../../state/read.ts";
import { words } from "./words.ts";

type Totals = Changes["totals"];

export function Counts({ added, removed }: { added: number; removed: number }) {
  return (
    <span class="change-counts">
      {added === 0 ? null : <span class="tone-ok">{words.added(added)}</span>}
      {removed === 0 ? null : <span class="tone-fail">{words.removed(removed)}</span>}
    </span>
  );
}

export function Sum({ files, added, removed }: Totals) {
  return (
    <>
      <span class="change-files">{words.files(files)}</span>{" "}
      <Counts added={added} removed={removed} />
    </>
  );
}

/** `path`: of the session or the run; null: nothing is asked. null: nothing is changed, or nothing
 *  is known yet. */
export function useTotals(
  path: string | null, wish: ReadWish<Changes>, when: readonly unknown[] = [],
): Totals | null {
  const { value } = useRead<Changes>(path === null ? null : `${path}/changes?limit=1`, wish, when);
  return value === null || value.totals.files === 0 ? null : value.totals;
}
