/** A turn: what it took, changed and cost, and what can be done from there. */
import { useState } from "preact/hooks";

import type { TimelineTurn } from "../../api/types.ts";
import { whyOf } from "../../parts/cause.ts";
import { State } from "../../parts/state.tsx";
import { count, money, when } from "../../parts/text.ts";
import { visible } from "../../parts/visible.ts";
import { useSeat, type Seat } from "../../router/router.ts";
import { now } from "../../state/clock.ts";
import { may } from "../../state/me.ts";
import { askAgain, forkAt, rewindTo, type Outcome } from "./actions.ts";
import { Trouble } from "../../parts/trouble.tsx";
import { Menu, type Choice } from "./menu.tsx";
import { pinsChange, pinned } from "./pins.ts";
import { duration, isBad, isLive } from "./text.ts";
import { words } from "./words.ts";

function Time({ turn }: { turn: TimelineTurn }) {
  const end = turn.ended_ms ?? (isLive(turn) ? now.value : null);
  const ms = turn.began_ms === null || end === null ? null : Math.max(0, end - turn.began_ms);
  return <span class="num">{duration(ms)}</span>;
}

function Spent({ turn }: { turn: TimelineTurn }) {
  const { usage, cache_hit_rate: rate } = turn;
  const tokens = usage.fresh + usage.cache_read + usage.cache_write + usage.output;
  const percent = Math.round((rate ?? 0) * 100);
  const tone = percent >= 60 ? "ok" : percent >= 30 ? "degraded" : "fail";
  return (
    <>
      {turn.agent === null ? null : <span dir="auto">{visible(turn.agent)}</span>}
      {words.began[turn.began_by] === undefined ? null : <span>{words.began[turn.began_by]}</span>}
      <span>{words.calls(turn.tools)}</span>
      {turn.errors === 0 ? null : <span class="tone-fail">{words.errors(turn.errors)}</span>}
      {tokens === 0 ? null : <span>{words.tokens(count(tokens))}</span>}
      {usage.reasoning === 0 ? null : <span>{words.reasoning(count(usage.reasoning))}</span>}
      {percent === 0 ? null : <span class={`tone-${tone}`}>{words.cached(percent)}</span>}
      {usage.cost_micros === null || usage.cost_micros === 0 ? null
        : <span>{money(usage.cost_micros)}</span>}
      {usage.cost_unknown === 0 ? null : <span>{words.unpriced(usage.cost_unknown)}</span>}
    </>
  );
}

function Files({ turn, session }: { turn: TimelineTurn; session: string }) {
  const { number, files, files_more: more = false } = turn;
  if (files.length === 0) return null;
  const sum = (of: "added" | "removed") => files.reduce((all, file) => all + file[of], 0);
  const Lines = ({ added, removed }: { added: number; removed: number }) => (
    <span class="side-lines">
      <span class="tone-ok">+{count(added)}</span> <span class="tone-fail">−{count(removed)}</span>
    </span>
  );
  return (
    <details class="small">
      <summary>
        {words.files(files.length, more)} <Lines added={sum("added")} removed={sum("removed")} />
      </summary>
      <ul>
        {files.map((file) => (
          <li key={file.path}>
            <span class="mono" dir="auto">{visible(file.path)}</span> <Lines {...file} />
          </li>
        ))}
      </ul>
      <a href={`/s/${session}/changes?base=turn:${number}`}>{words.changesSince}</a>
    </details>
  );
}

interface RowProps {
  turn: TimelineTurn; session: string; latest: boolean; selected: boolean; onSelect(): void;
}

function choicesOf(
  { turn, session, latest }: RowProps, seat: Seat, act: (done: Promise<Outcome>) => void) {
  const message = turn.answer ?? turn.question;
  const choices: Choice[] = [];
  if (message !== null && may("run")) {
    choices.push({ name: words.fork, about: words.forkAbout,
      run: () => act(forkAt(seat, session, message)) });
  }
  if (turn.question !== null && turn.began_by === "message" && !isLive(turn) && may("run")) {
    const { question } = turn;
    choices.push({ name: words.rewind, about: words.rewindAbout,
      run: () => act(rewindTo(question)) });
  }
  if (turn.answer !== null && isBad(turn) && latest && may("run")) {
    const { run, answer } = turn;
    choices.push({ name: words.again, about: words.againAbout,
      run: () => act(askAgain(run, answer)) });
  }
  if (message !== null && !pinned(seat, session).includes(message)) {
    const pin = pinsChange.bind(null, seat, session, (pins) => [...pins, message]);
    choices.push({ name: words.pin, about: words.pinAbout,
      run: () => act(pin().then((problem) => ({ problem }))) });
  }
  return choices;
}

export function TurnRow(props: RowProps) {
  const { turn, latest, selected, onSelect } = props, seat = useSeat();
  const [outcome, outcomeSet] = useState<Outcome | null>(null);
  const act = (done: Promise<Outcome>): void => void done.then(outcomeSet);
  const model = turn.model === null ? "" : visible(turn.model.split("/").at(-1) ?? "");
  const about = whyOf(turn);
  return (
    <li class="side-row" data-turn={turn.number} aria-current={selected ? "true" : undefined}>
      <div class="side-top">
        <button class="side-name" onClick={onSelect} title={turn.model ?? undefined}
          disabled={turn.answer === null && turn.question === null}>
          <span class="hidden">{words.turn} </span><b>{turn.number}</b>
          <span class="clip" dir="auto">{model}</span>
          {latest ? <span class="side-chip">{words.latest}</span> : null}
          <Time turn={turn} />
        </button>
        <Menu label={words.actions(turn.number)} choices={choicesOf(props, seat, act)} />
      </div>
      <div class="side-facts small">
        <State state={turn.state} {...(about === undefined ? {} : { about })} />
        <Spent turn={turn} />
        <span>{when(turn.began_ms ?? turn.queued_ms, now.value)}</span>
      </div>
      {turn.note === null ? null : <p class="small muted" dir="auto">{visible(turn.note)}</p>}
      {turn.cache_broke === null ? null : (
        <p class="small tone-degraded">
          <span aria-hidden="true">◐ </span>{words.broke[turn.cache_broke] ?? turn.cache_broke}
        </p>
      )}
      <Files turn={turn} session={props.session} />
      {outcome === null ? null : <Trouble problem={outcome.problem} />}
      {outcome?.said === undefined ? null : (
        <p role="status" class="small">
          {outcome.said}{" "}
          {outcome.to === undefined ? null : <a href={outcome.to}>{words.rewoundFork}</a>}
        </p>
      )}
    </li>
  );
}
