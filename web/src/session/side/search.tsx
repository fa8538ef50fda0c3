/** Search inside a session, the newest hit first; `?q=` has what is searched. */
import { useEffect, useRef, useState } from "preact/hooks";

import { get, type Problem } from "../../api/api.ts";
import { SEARCH_MAX, type Message, type Page } from "../../api/types.ts";
import { when } from "../../parts/text.ts";
import { visible } from "../../parts/visible.ts";
import { focused, useNamed, useSeat } from "../../router/router.ts";
import { useKeys } from "../../shell/keys.ts";
import { now } from "../../state/clock.ts";
import { Trouble } from "../../parts/trouble.tsx";
import { pieces } from "./text.ts";
import { words } from "./words.ts";

type Hit = Message & Required<Pick<Message, "match">>;
interface Found { wanted: string; hits: Hit[]; next: string | null; problem: Problem | null }

const TYPING_MS = 250;
const NOTHING: Found = { wanted: "", hits: [], next: null, problem: null };

async function searched(session: string, wanted: string, old: Found): Promise<Found> {
  const goesOn = old.wanted === wanted && old.next !== null;
  const after = goesOn ? `&after=${encodeURIComponent(old.next ?? "")}` : "";
  const answer = await get<Page<Hit>>(
    `/sessions/${session}/messages?limit=20&q=${encodeURIComponent(wanted)}${after}`);
  const hits = goesOn ? old.hits : [];
  if (!answer.ok) return { wanted, hits, next: goesOn ? old.next : null, problem: answer.problem };
  const { items, next } = answer.value;
  return { wanted, hits: [...hits, ...items], next, problem: null };
}

function HitText({ text, wanted }: { text: string; wanted: string }) {
  return (
    <span class="side-hit" dir="auto">
      {pieces(text, wanted).map(({ text: part, hit }, at) =>
        (hit ? <mark key={at}>{visible(part)}</mark> : visible(part)))}
    </span>
  );
}

export function SearchPanel({ session, onGo }: { session: string; onGo(message: string): void }) {
  const seat = useSeat(), named = useNamed();
  const wanted = seat.query.value.get("q") ?? "";
  const [found, foundSet] = useState(NOTHING);
  const [at, atSet] = useState(-1);
  const last = useRef(0), field = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const search = async (old: Found) => {
    const mine = ++last.current;
    const answer = wanted === "" ? NOTHING : await searched(session, wanted, old);
    if (mine === last.current) foundSet(answer);
  };
  useEffect(() => {
    atSet(-1);
    const timer = setTimeout(() => void search(NOTHING), TYPING_MS);
    return () => clearTimeout(timer);
  }, [session, wanted]);
  useEffect(() => {
    const isElsewhere = focused.peek() !== seat || document.activeElement?.role === "tab";
    if (!isElsewhere) field.current?.focus();
  }, []);
  const goTo = (to: number) => {
    const hit = found.hits[to];
    if (hit === undefined) return;
    atSet(to);
    onGo(hit.id);
    box.current?.querySelectorAll("li")[to]?.scrollIntoView({ block: "nearest" });
  };
  const move = (by: number) => {
    const { length } = found.hits;
    if (length > 0) goTo(at < 0 ? (by > 0 ? 0 : length - 1) : (at + by + length) % length);
  };
  useKeys([
    { name: "nextHit", run: () => move(1) },
    { name: "previousHit", run: () => move(-1) },
  ]);
  const ready = found.wanted === wanted && wanted !== "" && found.problem === null;
  return (
    <div class="side-scroll" ref={box}>
      <form role="search" aria-label={named(words.panels.search)} class="side-form"
        onSubmit={(event) => event.preventDefault()}>
        <label>
          {words.searchIn}
          <input data-filter type="search" dir="auto" ref={field} value={wanted}
            maxLength={SEARCH_MAX}
            onInput={(event) => seat.setQuery("q", event.currentTarget.value || null)}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || event.isComposing) return;
              event.preventDefault();
              if (ready) move(event.shiftKey ? -1 : 1);
            }} />
        </label>
        <p class="muted small">{words.searchHow}</p>
      </form>
      <Trouble problem={found.problem} retry={() => void search(found)} />
      <p role="status" class="none">
        {!ready ? null : found.hits.length > 0 ? words.hits(found.hits.length, found.next !== null)
          : found.next === null ? words.nothingFound : words.notYetFound}
      </p>
      <ol class="side-rows">
        {found.hits.map((hit, place) => (
          <li key={hit.id} class="side-row" aria-current={place === at ? "true" : undefined}>
            <button class="side-found" onClick={() => goTo(place)}>
              <span class="muted small">
                {words.roles[hit.role] ?? hit.role} · {when(hit.made_ms, now.value)}
              </span>
              <HitText text={hit.match.text} wanted={found.wanted} />
            </button>
          </li>
        ))}
      </ol>
      {found.next === null ? null : (
        <button class="quiet side-more" onClick={() => void search(found)}>{words.further}</button>
      )}
    </div>
  );
}
