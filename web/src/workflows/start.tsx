/** The form that starts a workflow. What is started is what was planned: Start takes no other
 *  request than the one whose plan is shown, and only while the form still says the same. */
import { useId, useRef, useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import { Field } from "../parts/form.tsx";
import { ModelField } from "../parts/named.tsx";
import {
  argsOf, argsOfJson, fieldsOf, givenOf, JSON_NAME, textsOf, type Unfit,
} from "../parts/schema.ts";
import { ArgFields, unfitText } from "../parts/schema.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { beginning, visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import type { Plan } from "../run/plan.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { draftKeep, draftOf } from "../state/draft.ts";
import { may } from "../state/me.ts";
import { amountOf } from "../usage/limits.ts";
import { LastPrice } from "./last.tsx";
import type { Check, Draft } from "./open.ts";
import { PlanView } from "./plan.tsx";
import {
  requestOf, startable, typedIn, typedText, type Planned, type Texts, type Workflow,
} from "./rules.ts";
import { words } from "./words.ts";

interface Started { runId?: string; error?: string | { message?: string } }

/** null: the text is no amount. */
const costOf = (text: string): number | undefined | null =>
  (text.trim() === "" ? undefined : amountOf("cost_micros", text));

function usePlan() {
  const [planned, plannedSet] = useState<Planned | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [busy, busySet] = useState(false);
  const asked = useRef(0);
  const make = async (body: Record<string, unknown>): Promise<void> => {
    const mine = ++asked.current;
    busySet(true);
    const answer = await post<Plan>("/scripts/plan", body);
    if (mine !== asked.current) return;
    busySet(false);
    problemSet(answer.ok ? null : answer.problem);
    plannedSet(answer.ok ? { body: JSON.stringify(body), plan: answer.value } : null);
  };
  return { planned, problem, problemSet, busy, make };
}

/** What was typed for a workflow is kept until it has been started. Another folder is another form,
 *  but of the same workflow most often: its folder is no part of the draft's name. */
function useTyped(flow: string) {
  const id = `workflow.args.${flow}`, latest = useRef(draftOf(id));
  const [typed, typedSet] = useState(() => typedIn(latest.current));
  const keep = (text: string): void => {
    draftKeep(id, text, latest.current);
    latest.current = text;
  };
  const write = (texts: Texts, json: boolean): void => {
    keep(typedText({ texts, json }));
    typedSet({ texts, json });
  };
  return { ...typed, write, clear: () => keep("") };
}

/** What the fields hold; a fault shows once somebody wanted the plan, until its field changes. */
function useFields(flow: string, schema: unknown) {
  const { texts, json, write, clear } = useTyped(flow);
  const [shown, shownSet] = useState<ReadonlyMap<string, Unfit>>(new Map());
  const declared = fieldsOf(schema), fields = json ? null : declared;
  const given = givenOf(declared ?? [], texts);
  const { args, faults: wrong } = fields === null ? argsOfJson(texts[JSON_NAME] ?? "")
    : argsOf(fields, given);
  const cost = costOf(texts.cost ?? ""), faults = new Map(wrong);
  if (cost === null) faults.set("\ncost", ["cost"]);
  const input = (form: HTMLFormElement, name: string): void => {
    write({ ...texts, ...textsOf(form) }, json);
    const left = new Map(shown);
    left.delete(name === "cost" ? "\ncost" : name === JSON_NAME ? "" : name.replace(/^arg:/, ""));
    if (left.size !== shown.size) shownSet(left);
  };
  const turn = (): void => {
    const isNew = !json && (texts[JSON_NAME] ?? "") === "" && args !== undefined;
    write(isNew ? { ...texts, [JSON_NAME]: JSON.stringify(args, null, 2) } : texts, !json);
    shownSet(new Map());
  };
  return { texts, given, declared, fields, json, args, cost, faults, shown, shownSet, input, turn,
    clear };
}

function Says({ text, tone }: { text: string; tone?: string }) {
  return <p class={tone ?? "muted"} role="status">{text}</p>;
}

export function StartForm({ flow, root, draft, check, schema }: {
  flow: Workflow; root: string; draft: Draft; check: Check; schema: unknown;
}) {
  const { go } = useSeat(), id = useId();
  const form = useRef<HTMLFormElement>(null), starting = useRef(false);
  const [failed, failedSet] = useState<string | null>(null);
  const fields = useFields(flow.name, schema), plan = usePlan(), isMine = may("run");
  const isBroken = check.verdict !== null && !check.verdict.valid && !check.busy;
  const request = fields.faults.size > 0 || isBroken ? null : requestOf({
    name: flow.name, root, script: draft.edited ? draft.text : null, args: fields.args,
    model: (fields.texts.model ?? "").trim(), cost_micros: fields.cost ?? null,
  });
  const fits = isMine && startable(plan.planned, request);
  const isOld = plan.planned !== null && JSON.stringify(request) !== plan.planned.body;

  const planNow = (): void => {
    fields.shownSet(fields.faults);
    failedSet(null);
    if (isMine && request !== null) void plan.make(request);
  };
  const start = async (): Promise<void> => {
    if (!fits || starting.current || request === null) return;
    starting.current = true;
    const { name, ...body } = request;
    const answer = await (name === undefined ? post<Started>("/workflows", body)
      : post<Started>(`/workflows/${encodeURIComponent(String(name))}/runs`, body));
    starting.current = false;
    plan.problemSet(answer.ok ? null : answer.problem);
    if (!answer.ok) return;
    const { runId, error } = answer.value;
    if (runId !== undefined) {
      fields.clear();
      if (form.current !== null) go(`/r/${runId}`); // Else somebody is elsewhere already.
      return;
    }
    failedSet(typeof error === "string" ? error : error?.message ?? "");
  };
  useKeys(isMine ? [
    { name: "planFlow", run: () => form.current?.requestSubmit() },
    { name: "startFlow", run: () => void start() },
  ] : []);

  const unfit = fields.shown.get("\ncost");
  return (
    <form ref={form} class="flow-form" noValidate onSubmit={(event) => {
      event.preventDefault();
      planNow();
    }} onInput={(event) => {
      const { name } = event.target as HTMLInputElement;
      fields.input(event.currentTarget, name);
    }}>
      <div class="head">
        <h2>{words.start}</h2>
        {fields.declared === null ? null : (
          <span class="end"><button type="button" class="quiet" onClick={fields.turn}>
            {fields.json ? words.asForm : words.asJson}
          </button></span>
        )}
      </div>
      <fieldset disabled={!isMine}>
        {fields.declared === null ? <p class="muted">{words.noArgs}</p> : null}
        <ArgFields fields={fields.fields} texts={fields.given} json={fields.texts[JSON_NAME] ?? ""}
          faults={fields.shown} label={words.args} about={words.argsAbout} />
        <div class="flow-pair">
          <ModelField name="model" label={words.model} about={words.modelAbout}
            value={fields.texts.model ?? ""} />
          <Field name="cost" label={words.cost} about={words.costAbout}
            value={fields.texts.cost ?? ""}
            fault={unfit === undefined ? undefined : unfitText(unfit)} />
        </div>
      </fieldset>
      {root === "" ? <p class="muted small">{words.noTools}</p> : null}
      {isMine ? (
        <div class="buttons">
          <button type="submit">{words.plan}<Hint of="planFlow" /></button>
          <button type="button" class="main" disabled={!fits} aria-describedby={`${id}-says`}
            onClick={() => void start()}>{words.start}<Hint of="startFlow" /></button>
          <LastPrice kind="workflow" name={flow.name} />
        </div>
      ) : <p class="muted">{words.mayNot}</p>}
      <div id={`${id}-says`}>
        {!isMine ? null : isBroken ? <Says text={words.broken_} tone="tone-fail" />
          : plan.busy ? <Says text={words.planning} />
            : fields.shown.size > 0 ? <Says text={words.unfitArgs} tone="tone-fail" />
              : plan.planned === null ? <Says text={words.planFirst} />
                : isOld ? <Says text={words.planOld} />
                  : fits ? <Says text={words.ready} /> : null}
      </div>
      {failed === null ? null : (
        <p class="tone-fail" role="alert">{words.refused} <bdi>{
          visible(beginning(failed, 1_000))}</bdi></p>
      )}
      <Trouble problem={plan.problem} />
      {plan.planned === null ? null : <PlanView plan={plan.planned.plan} old={isOld} />}
    </form>
  );
}
