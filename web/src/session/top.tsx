/** The head of a session: what it is, how it stands, what it used. */
import { Ellipsis, GitBranch } from "lucide-preact";
import { useState } from "preact/hooks";

import { Sum, useTotals } from "../changes/link/sum.tsx";
import { words as sums } from "../changes/link/words.ts";
import { Brand } from "../parts/brand.tsx";
import { titleOf } from "../parts/title.ts";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { may } from "../state/me.ts";
import type { SessionState } from "../state/session.ts";
import { More } from "./more.tsx";
import { panelNow, panelToggle } from "./side/panel.tsx";
import { SessionStateOf } from "./state.tsx";
import { answerer, price } from "./text.ts";
import { words } from "./words.ts";

function Context({ used, window: size }: { used: number; window: number }) {
  if (used === 0) return null;
  const rate = size === 0 ? null : Math.min(100, Math.round((100 * used) / size));
  const about = size === 0 ? words.contextUnknown(used) : words.contextOf(used, size);
  return (
    <span class="context" title={about}>
      <span>{words.context}</span>
      {rate === null ? <span class="hidden">{about}</span> : (
        <>
          <meter min={0} max={100} high={80} value={rate} aria-label={about} />
          {rate} %
        </>
      )}
    </span>
  );
}

/** The working tree that the session works in. */
function TreeLink({ tree }: { tree: Record<string, unknown> | null }) {
  if (tree === null) return null;
  const name = visible(String(tree.name)), isFailed = tree.state === "failed";
  return (
    <a class={`button quiet to-tree${isFailed ? " tone-fail" : ""}`}
      href={`/trees?q=${encodeURIComponent(String(tree.name))}`}
      title={isFailed ? words.treeFailed : words.tree} aria-label={words.treeOf(name)}>
      <GitBranch size={14} aria-hidden="true" /> <span class="clip">{name}</span>
    </a>
  );
}

/** Shortest time between two reads of the sum of changes. */
const CHANGES_MS = 1_000;

export function Top({ state, id }: { state: SessionState; id: string }) {
  const { session, turn } = state, seat = useSeat();
  const changes = useTotals(state.changes === 0 ? null : `/sessions/${id}`,
    { pause_ms: CHANGES_MS }, [state.changes]);
  const [more, moreSet] = useState(false);
  return (
    <header class="top">
      <Brand id={id} />
      <h1 class="clip" dir="auto">{session === null ? "" : titleOf(session)}</h1>
      {session === null ? null : (
        <>
          <SessionStateOf state={session.state} turn={turn} />
          {session.archived ? <span class="muted">{words.archived}</span> : null}
          <span class="end facts muted">
            <span class="clip" dir="auto">{answerer(session)}</span>
            <Context used={session.context_used} window={session.context_window} />
            <span>{price(session.usage)}</span>
          </span>
        </>
      )}
      <TreeLink tree={session?.worktree ?? null} />
      {changes === null ? null : (
        <a class="button quiet to-changes" href={`/s/${id}/changes`}
          aria-label={sums.about(changes)} title={sums.about(changes)}>
          <Sum {...changes} /> <Hint of="changes" />
        </a>
      )}
      <a class="button quiet to-trace" href={`/s/${id}/trace`}>
        {words.trace} <Hint of="trace" />
      </a>
      <button class="quiet to-panel" aria-expanded={panelNow(seat) !== null}
        onClick={() => panelToggle(seat)}>
        {words.timeline} <Hint of="panel" />
      </button>
      {may("run") ? (
        <button class="quiet icon" aria-label={words.more} title={words.more}
          onClick={() => moreSet(true)}>
          <Ellipsis size={14} aria-hidden="true" />
        </button>
      ) : null}
      {more && session !== null ? <More session={session} close={() => moreSet(false)} /> : null}
    </header>
  );
}
