/** What one step was: why, when, by whose leave, with what, and what came of it. A sheet where
 *  there is no room beside the waterfall. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import type { TextRange } from "../api/types.ts";
import { Bounded } from "../parts/bounded.tsx";
import { causeText } from "../parts/cause.ts";
import { copyText } from "../parts/copy.tsx";
import { timeTo } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed, useSeat } from "../router/router.ts";
import type { RunRow } from "../runs/rules.ts";
import { now } from "../state/clock.ts";
import { useRead } from "../state/read.ts";
import { words as shared } from "../words.ts";
import type { Asking, Source } from "./follow.ts";
import { nameOf } from "./row.tsx";
import { askOf, lasting, shapeOf } from "./text.ts";
import type { Node, Span } from "./tree.ts";
import { words } from "./words.ts";

const SHOWN = 2000, RANGE_MAX = 1 << 20, WHOLE_MAX = 64 << 20;
type Side = "input" | "output";

const whole = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en",
  { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

const rangeOf = (span: Span, side: Side, offset: number, limit: number) =>
  get<TextRange>(`/runs/${span.run}/spans/${span.attempt}.${span.step}?side=${side}` +
    `&offset=${offset}&limit=${limit}`);

/** All of it, in as many ranges as that takes. */
async function allOf(span: Span, side: Side): Promise<{ text: string } | { problem: Problem }> {
  let text = "", offset = 0;
  for (;;) {
    const answer = await rangeOf(span, side, offset, RANGE_MAX);
    if (!answer.ok) return { problem: answer.problem };
    text += answer.value.text;
    offset = answer.value.next;
    if (offset >= Math.min(answer.value.bytes, WHOLE_MAX) || answer.value.text === "") {
      return { text };
    }
  }
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "", '"': '"', "\\": "\\" };

/** JSON is easier to read with lines; also a piece of it. What is copied is the text itself. */
function readable(text: string, isJson: boolean): string {
  if (!isJson) return text;
  try {
    text = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // A part of it.
  }
  return text.replace(/\\([ntr"\\])/g, (_, one: string) => ESCAPES[one] ?? one);
}

/** Of the input the beginning, of the output the end, where a failure says what it is. */
function Text({ span, side }: { span: Span; side: Side }) {
  const [refused, refusedSet] = useState<Problem | null>(null);
  const [said, saidSet] = useState("");
  const { value, problem, put } = useRead<{ range: TextRange; isJson: boolean }>(
    `${span.id} ${side}`, { from: async () => {
      let answer = await rangeOf(span, side, 0, SHOWN);
      const isJson = answer.ok && /^\{"/.test(answer.value.text);
      if (answer.ok && side === "output" && answer.value.bytes > SHOWN) {
        answer = await rangeOf(span, side, answer.value.bytes - SHOWN, SHOWN);
      }
      return answer.ok ? { ok: true, value: { range: answer.value, isJson } } : answer;
    } }, [span.end !== null]);
  const range = value?.range ?? null, isJson = value?.isJson ?? false;
  const read = async (use: (text: string) => void): Promise<void> => {
    const answer = await allOf(span, side);
    refusedSet("problem" in answer ? answer.problem : null);
    if ("text" in answer) use(answer.text);
  };
  const copy = (): Promise<void> => read((text) =>
    void copyText(text).then((is) => saidSet(is ? shared.copied : shared.notCopied)));
  const show = (): Promise<void> => read((text) => {
    const bytes = range?.bytes ?? 0;
    put({ range: { text, offset: 0, next: bytes, bytes }, isJson });
  });
  const text = useMemo(() => readable(range?.text ?? "", isJson), [range, isJson]);
  const isPart = range !== null && (range.offset > 0 || range.next < range.bytes);
  const name = words[side].toLowerCase(), shown = whole.format(SHOWN);
  return (
    <section class="trace-text">
      <h2>
        {words[side]}{" "}
        {!isPart ? null : <span class="muted">
          {(range.offset > 0 ? words.last : words.first)(shown, whole.format(range.bytes))}
        </span>}
      </h2>
      <Trouble problem={refused ?? problem} />
      {range === null ? (problem === null ? <p class="muted">{shared.loading}</p> : null)
        : range.text === "" ? <p class="muted">{words.noText}</p> : (
          <>
            <pre dir="auto" tabIndex={0}>
              <Bounded text={text} />
            </pre>
            <div class="buttons">
              {isPart ? <button class="quiet" aria-label={words.allOf(name)}
                onClick={() => void show()}>{words.all}</button> : null}
              <button class="quiet" aria-label={words.copyOf(name)} onClick={() => void copy()}>
                <span aria-live="polite">{said === "" ? shared.copy : said}</span>
              </button>
            </div>
          </>
        )}
    </section>
  );
}

/** In a tree of runs, the session of the agent that a step belongs to. */
function useRun(source: Source, run: string): RunRow | null {
  return useRead<RunRow>(source.kind === "run" ? `/runs/${encodeURIComponent(run)}` : null).value;
}

function Places({ source, span }: { source: Source; span: Span }) {
  const run = useRun(source, span.run);
  const link = (to: string, text: string) => <a class="button quiet" href={to}>{text}</a>;
  if (source.kind === "session") {
    return span.message === null ? null
      : link(`/s/${source.id}#${span.message}`, words.message);
  }
  if (run?.kind === "job") return link(`/j/${run.id}`, words.toJob);
  return run?.session == null ? null : link(`/s/${run.session}`, words.toAgent);
}

function askedText(ask: Asking): string {
  if (ask.answered_ms === null) return words.askedOpen;
  return words.answeredBy(words.answers[ask.state] ?? ask.state, visible(ask.by ?? ""),
    lasting(ask.answered_ms - ask.asked_ms));
}

function Facts({ node, asks }: { node: Node; asks: readonly Asking[] }) {
  const { span } = node, ask = span === null ? undefined : askOf(asks, span);
  const cause = span?.cause ?? null, error = span?.error ?? null;
  const where = [
    node.turn === null ? "" : String(node.turn),
    span?.step == null ? "" : words.step(span.step),
  ].filter((one) => one !== "").join(", ");
  return (
    <dl>
      <dt>{words.state}</dt>
      <dd>{words.states[node.state] ?? node.state}</dd>
      {cause === null || cause === "completed" ? null : (
        <><dt>{words.cause}</dt><dd>{visible(causeText(cause))}</dd></>
      )}
      {error === null || error === "" ? null : (
        <><dt>{words.error}</dt><dd dir="auto">{visible(error)}</dd></>
      )}
      <dt>{words.started}</dt><dd>{clock.format(node.start)}</dd>
      {span?.due == null ? null
        : <><dt>{words.due}</dt><dd>{timeTo(span.due, node.start)}</dd></>}
      {where === "" ? null : (
        <><dt>{node.turn === null ? words.attempt : words.inTurn}</dt>
          <dd>{node.turn === null ? `${span?.attempt}, ${where}` : where}</dd></>
      )}
      {ask === undefined ? null : <><dt>{words.asked}</dt><dd>{askedText(ask)}</dd></>}
      {(span?.tries ?? 1) < 2 ? null : <><dt>{words.tries}</dt><dd>{span?.tries}</dd></>}
    </dl>
  );
}

interface InspectorProps {
  node: Node; source: Source; asks: readonly Asking[]; turn: number | null; onClose(): void;
}

export function Inspector({ node, source, asks, turn, onClose }: InspectorProps) {
  const { setQuery, width } = useSeat(), named = useNamed(), { span } = node;
  const [shape, tone] = shapeOf(node.state), close = useRef<HTMLButtonElement>(null);
  const sheet = width.value < 900, Title = sheet ? "h1" : "h2"; // A sheet hides what has the h1.
  useEffect(() => {
    if (sheet) close.current?.focus({ preventScroll: true }); // What is under it has no place.
  }, [sheet]);
  return (
    <aside class="trace-side" aria-label={named(words.inspector)}>
      <div class="trace-side-head">
        <span class={`tone-${tone}`} aria-hidden="true">{shape}</span>
        <Title class="mono" dir="auto">{nameOf(node)}</Title>
        <span class="muted end">{lasting((node.end ?? now.value) - node.start)}</span>
        <button class="quiet" ref={close} onClick={onClose}>{words.close}</button>
      </div>
      {node.about === "" ? null : <p class="muted" dir="auto">{visible(node.about)}</p>}
      <Facts node={node} asks={asks} />
      <div class="buttons">
        {span === null ? null : <Places source={source} span={span} />}
        {node.turn === null || turn !== null ? null : (
          <button class="quiet" onClick={() => setQuery("turn", String(node.turn))}>
            {words.onlyTurn(node.turn)}
          </button>
        )}
      </div>
      {span === null || span.step === null || ["process", "timer"].includes(span.kind)
        ? null : (
        <>
          <Text key={`${span.id} in`} span={span} side="input" />
          <Text key={`${span.id} out`} span={span} side="output" />
        </>
      )}
    </aside>
  );
}
