/** The limits of a budget: a new one, or one that there is. */
import { useState } from "preact/hooks";

import { patch, type Answer, type Problem } from "../api/api.ts";
import type { Budget } from "../api/types.ts";
import { Field, Form } from "../parts/form.tsx";
import { ProjectField } from "../parts/named.tsx";
import { visible } from "../parts/visible.ts";
import { may } from "../state/me.ts";
import { pathOf } from "./budgets.tsx";
import { AMOUNTS, amountOf, NAMES, writtenOf, type Amount } from "./limits.ts";
import { words } from "./words.ts";

/** The field that a sentence of the daemon, or one of ours, is about. */
const fieldOf = ({ code, detail }: Problem): string | null => {
  const named = /^"(\w+)"/.exec(detail)?.[1];
  if (named !== undefined && AMOUNTS.some((amount) => amount === named)) return named;
  return code === "conflict" || code === "not_found" || code === "bad_id" ? "name" : null;
};

const refused = (amount: Amount): Answer<never> => ({ ok: false, problem: { status: 0,
  title: "", code: "bad_field",
  detail: `"${amount}": ${words.noAmount(words.limitAbout[amount] ?? "")}` } });

function bodyOf(given: Record<string, string>): Record<string, unknown> | Amount {
  const body: Record<string, unknown> = { per: given.daily === undefined ? null : "day" };
  for (const amount of AMOUNTS) {
    const text = given[amount];
    const value = text === undefined ? null : amountOf(amount, text);
    if (text !== undefined && value === null) return amount;
    body[amount] = value;
  }
  return body;
}

export function BudgetForm({ budget, close, done }: {
  budget: Budget | null; close(): void; done(): void;
}) {
  const [problem, problemSet] = useState<Problem | null>(null);
  const [what, whatSet] = useState(may("admin") ? "global" : "project");
  const bad = problem === null ? null : fieldOf(problem);
  const faultOf = (name: string): string | undefined =>
    (problem === null || bad !== name ? undefined : visible(problem.code === "conflict"
      ? words.exists : problem.detail.replace(/^"\w+"(: )?/, "").trim()));
  const Name = what === "project" ? ProjectField : Field;
  const submit = async (given: Record<string, string>): Promise<Answer<unknown>> => {
    const body = bodyOf(given);
    if (typeof body === "string") return refused(body);
    if (budget !== null) return patch(pathOf(budget.scope), body);
    const scope = what === "global" ? what : `${what}:${given.name ?? ""}`;
    return patch(`${pathOf(scope)}?new=1`, body);
  };
  return (
    <Form title={budget === null ? words.add : words.editOf(visible(budget.scope))}
      send={words.save} cancel={words.cancel} close={close} submit={submit} done={done}
      late={done}
      beside={(given) => {
        problemSet(given);
        return given !== null && fieldOf(given) !== null &&
          !(fieldOf(given) === "name" && (budget !== null || what === "global"));
      }}>
      {budget !== null ? null : (
        <label>
          <span>{words.what}</span>
          <select name="what" value={what} onChange={(event) => whatSet(event.currentTarget.value)}>
            {Object.entries(words.whats).map(([value, text]) => (
              <option key={value} value={value} disabled={value === "global" && !may("admin")}>
                {text}
              </option>
            ))}
          </select>
        </label>
      )}
      {budget !== null || what === "global" ? null : (
        <Name key={what} name="name" label={words.name} about={words.nameAbout} required mono
          fault={faultOf("name")} />
      )}
      {AMOUNTS.map((amount) => (
        <Field key={amount} name={amount} label={words.limitOf(NAMES[amount])}
          about={words.limitAbout[amount] ?? ""}
          value={budget === null ? "" : writtenOf(amount, budget.limits[amount])}
          fault={faultOf(amount)} />
      ))}
      <label class="check">
        <input type="checkbox" name="daily" defaultChecked={budget?.per === "day"} /> {words.daily}
      </label>
      <p class="muted small">{words.emptyAbout}</p>
    </Form>
  );
}
