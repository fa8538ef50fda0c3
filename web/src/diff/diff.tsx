/** The change of a file: its first lines, and more when they are asked for. */
import { useEffect, useState } from "preact/hooks";

import { Bounded } from "../parts/bounded.tsx";
import { Unread, useUnfolded } from "../parts/reading.tsx";
import { words } from "../words.ts";
import { Line } from "./line.tsx";
import type { Change } from "./patch.ts";

const FIRST = 10, STEP = 500;
/** A longer patch is shown as the text that it is. */
const PATCH_MAX = 256 * 1024;

interface DiffProps {
  patch: string;
  /** The daemon sent only the beginning. */
  cut?: boolean;
}

/** undefined: still loading. null: no patch. `whole`: no line is cut. */
function useChange(
  { patch, cut = false }: DiffProps, whole: boolean,
): Change | null | undefined {
  const [change, changeSet] = useState<Change | null | undefined>(undefined);
  useEffect(() => {
    let gone = false;
    const set = (value: Change | null) => gone || changeSet(value);
    if (patch.length > PATCH_MAX) set(null);
    else {
      import("./patch.ts").then(({ changeOf }) => set(changeOf(patch, cut, whole)),
        () => set(null));
    }
    return () => void (gone = true);
  }, [patch, cut, whole]);
  return change;
}

export function Diff(props: DiffProps) {
  const { patch, cut = false } = props, isAll = useUnfolded();
  const change = useChange(props, isAll);
  const [limit, limitSet] = useState(FIRST);
  if (change === undefined) return <div class="diff loading" aria-busy="true"><Unread /></div>;
  if (change === null) {
    return <div class="diff"><pre dir="ltr"><Bounded text={patch} /></pre></div>;
  }
  const { rows, added, removed, clipped } = change;
  const more = isAll ? 0 : rows.length - limit;
  return (
    <div class="diff">
      <div class="about">
        <span>{words.diff(added + removed)}</span>
        <span class="tone-ok">+{added}</span>
        <span class="tone-fail">−{removed}</span>
      </div>
      <div class="lines" dir="ltr">
        {(isAll ? rows : rows.slice(0, limit)).map((row, at) => <Line key={at} row={row} />)}
      </div>
      {more > 0 || clipped ? <Unread /> : null}
      {more <= 0 ? null : (
        <button class="quiet rest" onClick={() => limitSet(limit + STEP)}>
          {words.moreLines(more)}
        </button>
      )}
      {cut && more <= 0 ? <div class="about">{words.diffCut}</div> : null}
    </div>
  );
}
