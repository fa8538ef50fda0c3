/** Questions of one shape as one row: how many, the first of them, and one answer for all. */
import type { Ask } from "../api/types.ts";
import { Outcome } from "../ask/outcome.tsx";
import { Headline } from "../ask/head.tsx";
import { headline, origin } from "../ask/text.ts";
import { Brand } from "../parts/brand.tsx";
import { visible } from "../parts/visible.ts";
import { Hint } from "../shell/kbd.tsx";
import type { Name } from "../shell/shortcuts.ts";
import { connected, isOpen } from "../state/asks.ts";
import { may } from "../state/me.ts";
import { words as askWords } from "../ask/words.ts";
import { words } from "./words.ts";

const LINES = 2;

interface GroupProps {
  id: string; members: Ask[]; selected: boolean; expanded: boolean;
  expand(): void;
  decide(decision: "allow" | "deny"): void;
}

export function GroupRow({ id, members, selected, expanded, expand, decide }: GroupProps) {
  const [first] = members;
  if (first === undefined) return null;
  const open = members.filter(isOpen), others = members.slice(1, LINES);
  const what = `${visible(first.step)} ${headline(first)}`;
  const answered = members.length - open.length;
  const key = (name: Name) => (selected ? <Hint of={name} /> : null);
  return (
    <article class={`row ask${selected ? " sel" : ""}`} data-row={id} tabIndex={-1}
      aria-label={`${words.alike(open.length)}: ${what}`} aria-current={selected}>
      <Brand id={first.root_run ?? first.run} />
      <div class="what">
        <Headline ask={open[0] ?? first} />
        {others.map((ask) => (
          <span key={ask.id} class="muted clip mono" dir="auto">{headline(ask)}</span>
        ))}
        <span class="muted clip">
          <b class="tone-wait">{words.alike(open.length)}</b>
          {answered > 0 ? ` · ${words.answered(answered)}` : ""}
          {" · "}<bdi>{origin(first)}</bdi>
        </span>
        {open.length === 0 ? <Outcome ask={first} /> : null}
      </div>
      <div class="acts">
        {may("approve") && open.length > 0 ? (
          <>
            <button class="main" disabled={!connected.value} onClick={() => decide("allow")}
              aria-label={`${words.allow(open.length)}: ${what}`}>
              {words.allow(open.length)}{key("allow")}
            </button>
            <button disabled={!connected.value} onClick={() => decide("deny")}
              aria-label={askWords.denyOf(what)}>
              {askWords.deny}{key("deny")}
            </button>
          </>
        ) : null}
        <button class="quiet" aria-expanded={expanded} onClick={expand}
          aria-label={expanded ? words.hideOf(what) : words.showOf(what)}>
          {expanded ? words.hide : words.show}{key("open")}
        </button>
      </div>
    </article>
  );
}
