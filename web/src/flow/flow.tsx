/** A flow of the catalog: what it does, the form that starts it, and the plan of its steps, which
 *  follows what is typed. Nothing begins before Start. */
import { useEffect, useRef, useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import type { FlowVerdict } from "../api/types.ts";
import { Bounded } from "../parts/bounded.tsx";
import { Field } from "../parts/form.tsx";
import { Loading } from "../parts/loading.tsx";
import { ModelField } from "../parts/named.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { beginning, visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { draftKeep, draftOf } from "../state/draft.ts";
import { may } from "../state/me.ts";
import { Folder } from "../workflows/folder.tsx";
import { useRead } from "../state/read.ts";
import { LastPrice } from "../workflows/last.tsx";
import { queryOf } from "../workflows/open.ts";
import type { Workflow } from "../workflows/rules.ts";
import { Graph } from "./graph.tsx";
import { inputOf, isOut, layersOf, sourcesOf } from "./rules.ts";
import { useStart } from "./start.ts";
import { words } from "./words.ts";

const TEXT_MAX = 500, TYPED_MS = 300;
const short = (text: unknown): string => visible(beginning(String(text ?? ""), TEXT_MAX));

type Texts = Record<"question" | "input" | "model", string>;
const NONE: Texts = { question: "", input: "", model: "" };

/** What was typed is kept until it has been started. */
function useTexts(name: string) {
  const id = `flow.${name}`, latest = useRef(draftOf(id));
  const [texts, textsSet] = useState<Texts>(() => {
    try {
      return { ...NONE, ...JSON.parse(latest.current || "{}") as Partial<Texts> };
    } catch {
      return NONE; // Of another build.
    }
  });
  const keep = (text: string): void => {
    draftKeep(id, text, latest.current);
    latest.current = text;
  };
  const write = (next: Texts): void => {
    keep(Object.values(next).some((text) => text !== "") ? JSON.stringify(next) : "");
    textsSet(next);
  };
  return { texts, write, clear: () => keep("") };
}

/** The request as JSON; null: the input is wrong. */
function bodyOf(name: string, root: string, { question, input, model }: Texts): string | null {
  const read = inputOf(question, input);
  return read === null ? null : JSON.stringify({ name, ...(root !== "" && { root }),
    ...(read.input !== undefined && { input: read.input }),
    ...(model.trim() !== "" && { model: model.trim() }) });
}

/** What the daemon says of that request, once nobody has typed for a moment. */
function useVerdict(body: string | null) {
  const [said, saidSet] = useState<{ of: string; verdict: FlowVerdict } | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const first = useRef(true), mine = may("run"); // Known only once the daemon has said it.
  useEffect(() => {
    if (body === null || !mine) return undefined;
    let here = true;
    const timer = setTimeout(() => {
      void post<FlowVerdict>("/flows/check", JSON.parse(body) as object).then((answer) => {
        if (!here) return;
        problemSet(answer.ok ? null : answer.problem);
        if (answer.ok) saidSet({ of: body, verdict: answer.value });
      });
    }, first.current ? 0 : TYPED_MS);
    first.current = false;
    return () => {
      here = false;
      clearTimeout(timer);
    };
  }, [body, mine]);
  return { verdict: said?.verdict ?? null, problem, isNow: said !== null && said.of === body };
}

function Plan({ verdict }: { verdict: FlowVerdict }) {
  const [chosen, chosenSet] = useState<string | null>(null);
  if (!verdict.valid) {
    return <p class="tone-fail" role="alert">{words.invalid} <bdi>{short(verdict.error)}</bdi></p>;
  }
  const { steps } = verdict, out = steps.filter(isOut).length;
  const layers = new Set(layersOf(sourcesOf(steps))).size;
  return (
    <>
      <p>{words.planAbout(steps.length, layers)}{out === 0 ? "" : words.left(out)}</p>
      <div class="flow-plan-graph">
        <Graph steps={steps} now_ms={0} asking={new Set()} selected={chosen}
          select={(id) => chosenSet(id === chosen ? null : id)} />
      </div>
    </>
  );
}

function Start({ name, root, texts, write, clear, isReady, body }: {
  name: string; root: string; texts: Texts; write(next: Texts): void; clear(): void;
  /** It was checked as it is. */
  isReady: boolean; body: string | null;
}) {
  const mine = may("run");
  const { problem, start: begin } = useStart();
  const start = async (): Promise<void> => {
    if (!mine || !isReady || body === null) return;
    if (await begin("/flows", JSON.parse(body) as object)) clear();
  };
  useKeys(mine ? [{ name: "startFlow", run: () => void start() }] : []);
  return (
    <form class="flow-form" onSubmit={(event) => {
      event.preventDefault();
      void start();
    }} onInput={(event) => {
      const data = new FormData(event.currentTarget), of = (one: string) => String(data.get(one));
      write({ question: of("question"), input: of("input"), model: of("model") });
    }}>
      <div class="head"><h2>{words.startTitle}</h2></div>
      <fieldset key={name} disabled={!mine}>
        <Field name="question" label={words.questionLabel} about={words.questionAbout} lines={3}
          value={texts.question} />
        <Field name="input" label={words.inputLabel} about={words.inputAbout} lines={3} mono
          value={texts.input}
          fault={body === null ? words.badInput : undefined} />
        <ModelField name="model" label={words.model} about={words.modelAbout}
          value={texts.model} />
      </fieldset>
      {root === "" ? <p class="muted small">{words.noFolder}</p> : null}
      {mine ? (
        <div class="buttons">
          <button type="submit" class="main" disabled={!isReady}>
            {words.start}<Hint of="startFlow" />
          </button>
          <LastPrice kind="flow" name={name} />
        </div>
      ) : <p class="muted">{words.mayNot}</p>}
      <Trouble problem={problem} />
    </form>
  );
}

function One({ flow, root }: { flow: Workflow; root: string }) {
  const { texts, write, clear } = useTexts(flow.name), body = bodyOf(flow.name, root, texts);
  const { verdict, problem, isNow } = useVerdict(body);
  return (
    <div class="flow-columns">
      <div>
        <div class="flow-about">
          {flow.error === undefined ? null : (
            <p class="tone-fail">
              ✕ <bdi>{words.broken(flow.error.line, short(flow.error.detail))}</bdi>
            </p>
          )}
          <p dir="auto"><Bounded text={flow.description} /></p>
          <p class="muted small"><bdi class="mono">{short(flow.file)}</bdi></p>
        </div>
        <Folder root={root} />
        <Start name={flow.name} root={root} texts={texts} write={write} clear={clear} body={body}
          isReady={isNow && problem === null && verdict?.valid === true} />
      </div>
      <div class="flow-planned">
        <div class="head"><h2>{words.plan}</h2></div>
        <Trouble problem={problem} />
        {verdict !== null ? <Plan verdict={verdict} />
          : problem === null && may("run") ? <p class="muted" role="status">{words.checking}</p>
            : null}
        {flow.source == null ? null : (
          <details>
            <summary>{words.source}</summary>
            <pre class="flow-source-text" dir="ltr" tabIndex={0}>
              <Bounded text={flow.source} />
            </pre>
          </details>
        )}
      </div>
    </div>
  );
}

export function Flow({ name = "" }: Params) {
  const { query } = useSeat(), root = query.value.get("root") ?? "";
  const { value, problem, again } =
    useRead<Workflow>(`/flows/${encodeURIComponent(name)}${queryOf(root)}`);
  return (
    <div class="page flow-page">
      <div class="head">
        <h1 class="clip" dir="auto">{visible(name)}</h1>
        {value === null ? null : <span class="muted">{words.flow}</span>}
        <a class="end" href={`/workflows${queryOf(root)}`}>{words.all}</a>
      </div>
      <Trouble problem={problem} retry={again} />
      {problem !== null && value === null ? <Folder root={root} />
        : value === null ? <Loading />
          : <One key={`${root}\n${name}`} flow={value} root={root} />}
    </div>
  );
}
