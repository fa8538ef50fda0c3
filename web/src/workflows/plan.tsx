/** What a run would do: its waves, their price, and what the rehearsal found wrong. */
import { Bounded } from "../parts/bounded.tsx";
import { money } from "../parts/text.ts";
import { beginning, visible } from "../parts/visible.ts";
import { refusalOf, wavesOf, type Plan, type Step } from "../run/plan.ts";
import { Price } from "../run/price.tsx";
import { words } from "./words.ts";

const TEXT_MAX = 500;
const short = (text: string): string => visible(beginning(text, TEXT_MAX));

function StepRow({ step }: { step: Step }) {
  const { label, agents, phase, model, cached } = step;
  return (
    <li>
      <bdi class="mono">{short(label ?? words.noLabel)}</bdi>{" "}
      {agents === 1 ? null : <span>{words.times(agents)} </span>}
      {phase === null ? null : <bdi class="muted">{short(phase)} </bdi>}
      {model === null ? null : <bdi class="muted mono">{short(model)} </bdi>}
      {cached ? <span class="tone-cached">▒ {words.cached}</span> : null}
    </li>
  );
}

function Model({ plan: { model } }: { plan: Plan }) {
  if (model == null) return null;
  if (model.name === null) return <p class="tone-degraded">{words.noModel}</p>;
  const name = short(model.name);
  return model.connected ? <p class="muted">{words.modelIs(name)}</p>
    : <p class="tone-degraded">{words.notConnected(name)}</p>;
}

export function PlanView({ plan, old }: { plan: Plan; old: boolean }) {
  const { rehearsal, budget, warning } = plan, refusal = refusalOf(plan);
  if (refusal !== null) {
    return <p class="tone-fail" role="alert">{words.refused} <bdi>{short(refusal)}</bdi></p>;
  }
  const waves = rehearsal == null ? [] : wavesOf(rehearsal);
  const cost = budget?.cost_micros ?? null;
  return (
    <div class={old ? "flow-plan old" : "flow-plan"}>
      {rehearsal == null ? null : rehearsal.agents === 0 ? <p><b>{words.noAgents}</b></p> : (
        <p><b>{words.sums(rehearsal.agents, waves.length)}</b>
          {rehearsal.at_once === undefined ? null : words.atOnce(rehearsal.at_once)}</p>
      )}
      {rehearsal == null ? null : <Price rehearsal={rehearsal} />}
      {cost === null ? null : <p>{words.budgetIs(money(cost))}</p>}
      <Model plan={plan} />
      {warning === undefined ? null : <p class="tone-degraded"><bdi>{short(warning)}</bdi></p>}
      {rehearsal?.fault == null ? null : (
        <p class="tone-fail">{words.fault} <bdi>{short(rehearsal.fault)}</bdi></p>
      )}
      {(rehearsal?.errors ?? []).map((line) => (
        <p key={line} class="tone-degraded"><bdi><Bounded text={line} /></bdi></p>
      ))}
      <ol class="flow-waves">
        {waves.map(({ wave, agents, steps }) => (
          <li key={wave}>
            <b>{words.wave(wave)}</b> <span class="muted">{words.agents(agents)}</span>
            <ul>{steps.map((step, at) => <StepRow key={at} step={step} />)}</ul>
          </li>
        ))}
      </ol>
      {(rehearsal?.unlisted ?? 0) === 0 ? null
        : <p class="muted">{words.unlisted(rehearsal?.unlisted ?? 0)}</p>}
      {rehearsal?.waits_for == null ? null
        : <p class="muted">{words.waits[rehearsal.waits_for] ?? null}</p>}
      {(plan.unknown ?? []).length === 0 ? null : (
        <details>
          <summary>{words.unknown}</summary>
          <ul>{(plan.unknown ?? []).map((text) => <li key={text}>{short(text)}</li>)}</ul>
        </details>
      )}
    </div>
  );
}
