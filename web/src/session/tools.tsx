/** Calls of tools: a line for the group, a row for each call, and what is in it when it is opened.
 */
import { useEffect, useState } from "preact/hooks";

import { Diff } from "../diff/index.ts";
import { Bounded } from "../parts/bounded.tsx";
import { causeText } from "../parts/cause.ts";
import { stateMark } from "../parts/mark.ts";
import { visible } from "../parts/visible.ts";
import type { Part } from "../state/message.ts";
import { useOpen, useTalk } from "./talk.ts";
import { begunBy, changes, diffOf, stateOf, summary, tally, type Row } from "./rows.ts";
import { duration } from "./text.ts";
import { words } from "./words.ts";

const OUTPUT_FIRST = 2_000;
const OPEN_MAX = 12; // A larger group begins closed.

function Shape({ state }: { state: string }) {
  const [shape, tone] = stateMark(state);
  return <span class={`shape tone-${tone}`} aria-hidden="true">{shape}</span>;
}

function inputOf({ data }: Part): string {
  if (typeof data?.arguments_text === "string") return data.arguments_text;
  return data?.arguments === undefined ? "" : JSON.stringify(data.arguments, null, 2);
}

/** The run or the session that the call began. */
function Link({ part }: { part: Part }) {
  const begun = begunBy(part);
  return begun === null ? null : <a href={begun.path}>{words.opens[begun.kind]}</a>;
}

function Output({ text, bytes }: { text: string; bytes: number }) {
  const [all, allSet] = useState(false);
  if (text === "") return <p class="muted">{words.noOutput}</p>;
  if (all) return <pre dir="auto"><Bounded text={text} /></pre>;
  return (
    <>
      <pre dir="auto">{visible(text.slice(0, OUTPUT_FIRST))}</pre>
      {text.length <= OUTPUT_FIRST ? null : (
        <button class="quiet" onClick={() => allSet(true)}>{words.all(bytes)}</button>
      )}
    </>
  );
}

function Opened({ part, message }: { part: Part; message: string }) {
  const { read } = useTalk();
  const isCut = part.cut === true || part.data === null;
  useEffect(() => {
    if (isCut) read(message); // Lists and events have the beginning of a long text.
  }, [message, isCut]);
  const diff = diffOf(part);
  const input = inputOf(part);
  return (
    <div class="call-open">
      {diff === null ? null : <Diff patch={diff.patch} cut={diff.cut} />}
      {diff !== null || input === "" ? null : (
        <>
          <h3>{words.input}</h3>
          <pre dir="auto"><Bounded text={input} /></pre>
        </>
      )}
      {diff !== null && part.state === "succeeded" ? null : (
        <>
          <h3>{words.output}</h3>
          <Output text={part.text} bytes={part.bytes ?? part.text.length} />
        </>
      )}
    </div>
  );
}

function Call({ part, row }: { part: Part; row: Row }) {
  const [open, openSet] = useOpen(`${row.key}/${part.number}`, false);
  const diff = diffOf(part);
  const [added, removed] = diff === null ? [0, 0] : changes(diff.patch);
  const name = visible(part.name ?? "");
  const state = words.toolStates[part.state ?? ""] ?? part.state;
  const cause = part.cause && part.cause !== "completed" ? ` ${causeText(part.cause)}` : "";
  return (
    <li>
      <div class="call">
        <button class="bare" aria-expanded={open} onClick={() => openSet(!open)}>
          <Shape state={stateOf(part)} />
          <span class="mono name clip" dir="auto">{name}</span>
          <span class="mono muted clip" dir="auto">{visible(summary(part))}</span>
          <span class="marks">
            {diff === null ? null : (
              <span class="mono"><span class="tone-ok">+{added}</span>{" "}
                <span class="tone-fail">−{removed}</span></span>
            )}
            <span class={stateOf(part) === "succeeded" ? "hidden" : "muted small"}>
              {state}{cause}
            </span>
            <span class="num muted">{duration(part.ms ?? null)}</span>
          </span>
        </button>
        <Link part={part} />
      </div>
      {open ? <Opened part={part} message={row.message.id} /> : null}
    </li>
  );
}

export function Tools({ row, parts }: { row: Row; parts: Part[] }) {
  const { calls, ms, states } = tally(parts);
  const isLive = states.some(([state]) => state === "running" || state === "waiting");
  const [open, openSet] = useOpen(row.key, calls <= OPEN_MAX || isLive);
  return (
    <div class="tools">
      <button class="bare sum" aria-expanded={open} onClick={() => openSet(!open)}>
        <span aria-hidden="true">{open ? "▾" : "▸"}</span>
        {words.toolsOf(calls)}{ms === null ? "" : ` · ${duration(ms)}`} ·
        {states.map(([state, count]) => (
          <span key={state}>{count} <Shape state={state} />
            <span class="hidden"> {words.toolStates[state] ?? state}</span></span>
        ))}
      </button>
      {open ? <ul>{parts.map((part) => <Call key={part.number} part={part} row={row} />)}</ul>
        : null}
    </div>
  );
}
