/** Budgets, nearest their limit first, and what can be done with them. */
import { useState } from "preact/hooks";

import { remove, type Problem } from "../api/api.ts";
import type { Budget } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import { Section } from "../parts/section.tsx";
import { useSelection } from "../parts/select.ts";
import { Sure } from "../parts/sure.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { budgetsRead, useBudgets } from "../state/budgets.ts";
import { now } from "../state/clock.ts";
import { may } from "../state/me.ts";
import { BudgetForm } from "./form.tsx";
import { LimitBar } from "./limit.tsx";
import { countedOf, fillsOf, NAMES, outlookOf, sentenceOf } from "./limits.ts";
import { words } from "./words.ts";

/** The budget of everything is the daemon's. */
const mayChange = ({ scope }: Budget): boolean => may(scope === "global" ? "admin" : "run");

export const pathOf = (scope: string): string => `/budgets/${encodeURIComponent(scope)}`;

function Row({ budget, selected, edit, problem }: {
  budget: Budget; selected: boolean; edit(): void; problem(problem: Problem | null): void;
}) {
  const scope = visible(budget.scope), fills = fillsOf(budget);
  const outlook = outlookOf(budget, now.value), counted = countedOf(budget);
  const session = /^session:(ses_\w+)$/.exec(budget.scope)?.[1];
  const gone = async (): Promise<void> => {
    const answer = await remove(pathOf(budget.scope));
    problem(answer.ok ? null : answer.problem);
    void budgetsRead();
  };
  return (
    <article class={`row budget${selected ? " sel" : ""}`} data-row={budget.scope} tabIndex={-1}
      aria-label={scope} aria-current={selected}>
      <div class="what">
        {session === undefined ? <span class="mono" dir="auto">{scope}</span>
          : <a class="mono" href={`/s/${session}`} dir="auto">{scope}</a>}
        {budget.per === "day" ? <span class="muted small">{words.perDay}</span> : null}
      </div>
      <div class="fills">
        {fills.length === 0 ? <p class="muted">{words.noLimit}</p> : null}
        {fills.map((fill) => (
          <div key={fill.amount}>
            <span class="muted">{NAMES[fill.amount]}</span>{" "}{sentenceOf(fill, budget)}
            <LimitBar fill={fill} />
          </div>
        ))}
        {counted.length === 0 ? null : <p class="muted small">{counted.join(" · ")}</p>}
        {outlook.length === 0 ? null : (
          <p class={fills[0]?.left === 0 ? "tone-fail" : ""}>
            {outlook.join(" · ")}
            {budget.waiting === 0 ? null : (
              <>{" "}<a href="/runs?state=live&inside=1">{words.waiting}</a></>
            )}
          </p>
        )}
      </div>
      <div class="acts">
        {mayChange(budget) ? (
          <>
            <button class="quiet" aria-label={words.editOf(scope)} onClick={edit}>
              {words.edit}
            </button>
            <Sure name={words.remove} label={words.removeOf(scope)} sure={words.removeSure}
              onSure={() => void gone()} />
          </>
        ) : null}
      </div>
    </article>
  );
}

export function Budgets() {
  const { items, more, ready, problem } = useBudgets();
  const [refused, refusedSet] = useState<Problem | null>(null);
  /** "new", or the one that is edited. */
  const [open, openSet] = useState<Budget | "new" | null>(null);
  const select = useSelection(items.map(({ scope }) => scope));
  const one = items.find(({ scope }) => scope === select.id);
  useKeys([
    { name: "next", run: () => select.step(1) },
    { name: "previous", run: () => select.step(-1) },
    { name: "open", run: () => one !== undefined && mayChange(one) && openSet(one) },
    ...(may("run") ? [{ name: "newBudget" as const, run: () => openSet("new") }] : []),
  ]);
  return (
    <Section title={words.budgets} count={items.length}
      about={items.length > 1 ? words.nearest : undefined}
      action={may("run") ? (
        <button class="quiet" onClick={() => openSet("new")}>
          {words.add}<Hint of="newBudget" />
        </button>
      ) : undefined}>
      <Trouble problem={refused ?? problem} retry={() => void budgetsRead()} />
      {!ready && problem === null ? <Loading /> : null}
      {ready && items.length === 0 ? (
        <div class="empty"><p>{words.noBudgets}</p><pre>{words.noBudgetsCommand}</pre></div>
      ) : null}
      <div onFocusIn={select.onFocusIn}>
        {items.map((budget) => (
          <Row key={budget.scope} budget={budget} selected={budget.scope === select.id}
            edit={() => openSet(budget)} problem={refusedSet} />
        ))}
      </div>
      {more ? <p class="none">{words.cut(items.length)}</p> : null}
      {open === null ? null : (
        <BudgetForm budget={open === "new" ? null : open} close={() => openSet(null)}
          done={() => void budgetsRead()} />
      )}
    </Section>
  );
}
