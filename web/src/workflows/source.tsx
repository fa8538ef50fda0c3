/** The source in a text area, with line numbers and the marks of the check, which runs while
 *  somebody types. What it found stands beside it and leads to its place. */
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Problem } from "../api/api.ts";
import type { Note } from "../api/types.ts";
import { rowsNear } from "../parts/rows.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { beginning, visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import { may } from "../state/me.ts";
import type { Check, Draft } from "./open.ts";
import { linesIn, marksOf, offsetOf, type Mark } from "./rules.ts";
import { words } from "./words.ts";

const LINE_PX = 18, PAD_PX = 6, DETAIL_MAX = 500;
const SHAPES: Record<Mark, [shape: string, tone: string]> =
  { error: ["✕", "fail"], warning: ["▲", "degraded"] };

/** Numbers and marks of the lines that are in the view of the text area. */
function Gutter({ lines, marks, top, view }: {
  lines: number; marks: ReadonlyMap<number, Mark>; top: number; view: number;
}) {
  const [from, to] = rowsNear({ top, view, height: LINE_PX, count: lines });
  const rows = Array.from({ length: to - from }, (_, at) => from + at + 1);
  return (
    <div class="gutter mono" aria-hidden="true">
      <div class="gutter-lines" style={{ top: `${PAD_PX + from * LINE_PX - top}px` }}>
        {rows.map((line) => {
          const mark = marks.get(line);
          const [shape, tone] = mark === undefined ? ["", ""] : SHAPES[mark];
          return (
            <div key={line} class={mark === undefined ? "gutter-line" : `gutter-line is-${mark}`}
              data-line={line} data-mark={mark}>
              <span class={`tone-${tone}`}>{shape}</span><span>{line}</span>
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Notes({ notes, go }: { notes: readonly Note[]; go(note: Note): void }) {
  return (
    <ol class="flow-notes">
      {notes.map((note, at) => {
        const [shape, tone] = SHAPES[note.severity];
        return (
          <li key={at}>
            <button type="button" class="bare" onClick={() => go(note)}>
              <span class={`shape tone-${tone}`} aria-hidden="true">{shape}</span>
              <span>
                <b>{words.marks[note.severity]}, {words.at(note.line, note.column)}:</b>{" "}
                <bdi>{visible(beginning(note.detail, DETAIL_MAX))}</bdi>
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

function Verdict({ check }: { check: Check }) {
  const notes = check.verdict?.problems ?? [];
  const errors = notes.filter(({ severity }) => severity === "error").length;
  const text = check.busy ? words.checking : check.verdict === null ? ""
    : notes.length > 0 ? words.checkFound(errors, notes.length - errors)
      : check.verdict.checked ? words.checkFine : words.notRead;
  const tone = check.busy ? "muted" : errors > 0 ? "tone-fail"
    : notes.length > 0 ? "tone-degraded" : "tone-ok";
  return <span class={tone} role="status">{text}</span>;
}

export interface Save { now(): Promise<void>; problem: Problem | null }

export function Source({ draft, check, save }: {
  draft: Draft; check: Check; save: Save | null;
}) {
  const field = useRef<HTMLTextAreaElement>(null), named = useNamed(), id = useId();
  const [place, placeSet] = useState({ top: 0, view: 0 });
  const look = (): void => {
    const { scrollTop: top = 0, clientHeight: view = 0 } = field.current ?? {};
    placeSet((before) => (before.top === top && before.view === view ? before : { top, view }));
  };
  useLayoutEffect(() => {
    const sizes = new ResizeObserver(look);
    if (field.current !== null) sizes.observe(field.current);
    look();
    return () => sizes.disconnect();
  }, []);
  const notes = check.verdict?.problems ?? [];
  const goTo = ({ line, column }: Note): void => {
    const area = field.current;
    if (area === null) return;
    const at = offsetOf(area.value, line, column);
    area.focus({ preventScroll: true });
    area.setSelectionRange(at, at);
    area.scrollTop = Math.max(0, (line - 1) * LINE_PX - area.clientHeight / 3);
    area.scrollIntoView({ block: "nearest" });
  };
  return (
    <section class="flow-source" aria-label={named(words.source)}>
      <div class="head">
        <h2>{words.source}</h2>
        <Verdict check={check} />
        {draft.edited ? (
          <span class="end">
            <span class="muted">{words.edited} </span>
            <button type="button" class="quiet" onClick={draft.discard}>{words.discard}</button>
            {save === null || draft.stale ? null : <>{" "}<button type="button" class="quiet"
              onClick={() => void save.now()}>{words.save}</button></>}
          </span>
        ) : null}
      </div>
      <Trouble problem={save?.problem ?? null} />
      {draft.stale ? <p class="tone-degraded">{words.changedMeanwhile}</p> : null}
      <Trouble problem={check.problem} />
      <div class="editor">
        <Gutter lines={linesIn(draft.text)} marks={marksOf(notes)} {...place} />
        <textarea ref={field} class="mono" dir="ltr" wrap="off" spellcheck={false}
          autocomplete="off" aria-label={words.source} aria-describedby={id}
          readOnly={!may("run")} value={draft.text} onScroll={look}
          onInput={({ currentTarget: { value } }) => draft.write(value)} />
      </div>
      <div id={id}><Notes notes={notes} go={goTo} /></div>
    </section>
  );
}
