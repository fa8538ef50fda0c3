/** The head of changes: whose they are, how many, and how they are shown. */
import { Brand } from "../parts/brand.tsx";
import { clockTime } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { Sum } from "./link/sum.tsx";
import type { Listed, Source, Wish } from "./open.ts";
import { words } from "./words.ts";

export interface Subject {
  id: string; title?: string | null; label?: string | null; command?: string | null;
  kind?: string; stream?: string | null; session?: string | null;
}

const TURNS_MAX = 50;

function Base({ base, turns }: { base: string; turns: number }) {
  const { setQuery } = useSeat();
  const first = Math.max(2, turns - TURNS_MAX + 1);
  const numbers = Array.from({ length: Math.max(0, turns - first + 1) }, (_, at) => turns - at);
  const all = ["", ...numbers.map((number) => `turn:${number}`)];
  const nameOf = (one: string): string => (one === "" || one === "start" ? words.baseStart
    : one.startsWith("turn:") ? words.baseTurn(one.slice(5)) : words.basePoint);
  if (all.length === 1 && base === "") return null;
  return (
    <label>
      <span class="hidden">{words.base}</span>
      <select value={base} title={words.base}
        onChange={({ currentTarget }) => setQuery("base", currentTarget.value || null)}>
        {(all.includes(base) ? all : [...all, base]).map((one) => (
          <option key={one} value={one}>{nameOf(one)}</option>
        ))}
      </select>
    </label>
  );
}

interface HeadProps {
  source: Source; subject: Subject | null; list: Listed; turns: number; wish: Wish;
  switches: { name: "lastLook" | "sides" | "blanks"; on: boolean; set(): void }[];
}

export function Head(props: HeadProps) {
  const { source, subject, list, turns, wish, switches } = props;
  const { kind, id } = source, { totals, to } = list;
  const name = subject === null ? "" : visible(subject.title || subject.label ||
    subject.command || subject.id);
  return (
    <header class="changes-top">
      <Brand id={id} />
      <h1 class="clip" dir="auto"><span class="hidden">{words.changesOf} </span>{name}</h1>
      {totals.files === 0 ? null : (
        <span class="muted changes-sum">
          {wish.since ? words.files(list.files.length) : <Sum {...totals} />}
          {to === null ? null : <span class="changes-time">{words.upTo(clockTime(to.at_ms))}</span>}
        </span>
      )}
      <span class="changes-tools end" role="group" aria-label={words.tools}>
        <Base base={wish.base} turns={turns} />
        {switches.map((one) => (
          <button key={one.name} class="quiet" aria-pressed={one.on} onClick={one.set}>
            {words[one.name]} <Hint of={one.name} />
          </button>
        ))}
        <a class="button quiet" href={`/${kind === "session" ? "s" : "r"}/${id}`}>
          {kind === "session" ? words.session : words.run}
        </a>
      </span>
    </header>
  );
}

/** What stands above the files: what the folder lacks, and files that are left out. */
export function Notes({ list }: { list: Listed }) {
  const { world, left_out, files, cut } = list;
  return (
    <>
      {world === null || world.state === "ready" ? null : (
        <p class="changes-note tone-degraded">
          {words[world.state]}
          {world.detail ? <bdi> {words.worldAbout(visible(world.detail))}</bdi> : null}
        </p>
      )}
      {cut ? <p class="changes-note">{words.more(files.length)}</p> : null}
      {left_out.length === 0 ? null : (
        <details class="changes-note">
          <summary>{words.leftOut(left_out.length)}</summary>
          <ul>
            {left_out.map(({ path, why }) => (
              <li key={path}>
                <bdi class="mono">{visible(path)}</bdi>{" "}
                <span class="muted">{words.why[why] ?? why}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}
