/** Programs and agents of models: whether each can be started, and what it may do. The address has
 *  the one that is open. */
import { useState } from "preact/hooks";

import { get, remove, type Problem } from "../api/api.ts";
import type { Agent, AgentStart, Connection, Page } from "../api/types.ts";
import { Bounded } from "../parts/bounded.tsx";
import { causeText } from "../parts/cause.ts";
import { Loading } from "../parts/loading.tsx";
import { Section } from "../parts/section.tsx";
import { useSelection } from "../parts/select.ts";
import { useSheet } from "../parts/sheet.ts";
import { Sure } from "../parts/sure.tsx";
import { timeTo } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed, useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { may } from "../state/me.ts";
import { useRead } from "../state/read.ts";
import { AgentForm, type Wish } from "./form.tsx";
import { nowOf, quoted, type Definition } from "./rules.ts";
import { words } from "./words.ts";

/** Slots, cool-downs and connections are read again. */
const READ_MS = 5_000;
const MARKS: Record<string, [shape: string, tone: string]> = {
  ready: ["✓", "ok"], not_logged_in: ["◐", "degraded"], missing: ["○", "queued"],
  broken: ["✕", "fail"], cools: ["◐", "degraded"],
};

function Found({ agent }: { agent: Agent }) {
  const state = agent.cooling_until_ms === null ? agent.state : "cools";
  const [shape, tone] = MARKS[state] ?? ["?", "lost"];
  return (
    <span class={`state tone-${tone}`}>
      <span class="shape" aria-hidden="true">{shape}</span>{words.states[state] ?? state}
    </span>
  );
}

function StartLine({ agent }: { agent: Agent }) {
  const { value: start, problem } =
    useRead<AgentStart>(`/agents/${encodeURIComponent(agent.name)}/start`);
  if (start === null) return <Trouble problem={problem} />;
  return (
    <section>
      <h3>{words.start}</h3>
      <pre dir="ltr" tabIndex={0} aria-label={words.start}>
        <Bounded text={start.argv.map(quoted).join(" ")} /></pre>
      {start.env.length === 0 ? null
        : <p class="muted">{words.variables}: <bdi>{visible(start.env.join(", "))}</bdi></p>}
    </section>
  );
}

function Detail({ agent, close, back, ask, gone }: {
  agent: Agent; close(): void; back(): void; ask(wish: Wish): void; gone(): void;
}) {
  const button = useSheet(back);
  const named = useNamed(), name = visible(agent.name), [problem, problemSet] =
    useState<Problem | null>(null);
  const { facts } = words, isProgram = agent.kind === "cli", isStored = agent.from === "stored";
  const rows: [string, string | null][] = [
    [facts.now, nowOf(agent, now.value) || null],
    [facts.version, agent.version], [facts.may, agent.may], [facts.program, agent.program],
    [facts.command, agent.command], [facts.model, agent.model],
    [facts.isolation, agent.isolation], [facts.from, agent.from],
    [facts.description, agent.description],
  ];
  const change = async (how: "copy" | "edit"): Promise<void> => {
    const answer = await get<{ definition?: Definition | null }>(
      `/agents/${encodeURIComponent(agent.name)}`);
    problemSet(answer.ok ? null : answer.problem);
    if (answer.ok) ask({ how, of: agent, definition: answer.value.definition ?? null });
  };
  const drop = async (): Promise<void> => {
    const answer = await remove(`/agents/${encodeURIComponent(agent.name)}`);
    problemSet(answer.ok ? null : answer.problem);
    if (answer.ok) gone();
  };
  return (
    <aside class="inspector" aria-label={named(words.agent(name))}>
      <div class="inspector-title">
        <h2 class="mono clip" dir="auto">{name}</h2>
        <button class="quiet end" ref={button} aria-label={words.close} onClick={close}>
          ✕
        </button>
      </div>
      <Found agent={agent} />
      <dl class="run-facts">
        {rows.map(([label, text]) => (text === null ? null : (
          <div key={label}><dt>{label}</dt><dd dir="auto"><Bounded text={text} /></dd></div>
        )))}
      </dl>
      {agent.why === null ? null : <section><h3>{words.why}</h3>
        <p dir="auto"><Bounded text={agent.why} /></p></section>}
      {isProgram && agent.found ? <StartLine agent={agent} /> : null}
      <Trouble problem={problem} />
      {!isProgram ? null : !may("admin") ? <p class="muted">{words.readOnly}</p> : (
        <div class="buttons">
          {isStored ? (
            <button onClick={() => void change("edit")}>{words.edit}</button>
          ) : agent.from === "built in" ? null : <p class="muted">{words.ofFile}</p>}
          <button onClick={() => void change("copy")}>{words.copy}</button>
          {isStored ? (
            <Sure name={words.remove} label={words.removeOf(name)} sure={words.removeSure}
              onSure={() => void drop()} />
          ) : null}
        </div>
      )}
    </aside>
  );
}

function Row({ agent, selected, open }: { agent: Agent; selected: boolean; open(): void }) {
  return (
    <div class={`row agent${selected ? " sel" : ""}`} data-row={agent.name} tabIndex={-1}
      aria-current={selected}>
      <button class="bare mono clip" dir="auto" onClick={open}>{visible(agent.name)}</button>
      <Found agent={agent} />
      <span class="muted clip" dir="auto">{visible(agent.version ?? agent.model ?? "")}</span>
      <span class="clip" dir="auto">
        {[nowOf(agent, now.value), visible(agent.may)].filter(Boolean).join(" · ")}
      </span>
    </div>
  );
}

/** What agents of models wait for: a provider that has refused is asked again later. */
function Connections() {
  const { value, problem, again } =
    useRead<Page<Connection>>("/providers?limit=200", { every_ms: READ_MS });
  const items = value?.items ?? [];
  if (items.length === 0) return <Trouble problem={problem} retry={() => void again()} />;
  return (
    <Section title={words.connections} count={items.length}>
      <Trouble problem={problem} retry={() => void again()} />
      {items.map(({ name, kind, max_concurrent: slots, cause, detail, resume_at_ms: until }) => (
        <div key={name} class="row agent">
          <a class="mono clip" href="/settings/models" dir="auto">{visible(name)}</a>
          <span class={`state tone-${cause === null ? "ok" : "degraded"}`}>
            <span class="shape" aria-hidden="true">{cause === null ? "✓" : "◐"}</span>
            {cause === null ? words.states.ready : causeText(cause)}
          </span>
          <span class="muted clip">{visible(kind)}</span>
          <span class="clip" dir="auto">
            {slots === null ? words.noSlots : words.slots(slots)}
            {until === null ? "" : ` · ${words.until(timeTo(until, now.value))}`}
            {detail === null ? "" : ` · ${visible(detail)}`}
          </span>
        </div>
      ))}
    </Section>
  );
}

export function Agents() {
  const { query, setQuery } = useSeat(), name = query.value.get("agent");
  const [wish, wishSet] = useState<Wish | null>(null);
  const { value, problem, again } =
    useRead<Page<Agent>>("/agents?limit=200", { every_ms: READ_MS });
  const all = value?.items ?? [], programs = all.filter(({ kind }) => kind === "cli");
  const models = all.filter(({ kind }) => kind === "native");
  const select = useSelection([...programs, ...models].map((one) => one.name));
  const opened = all.find((one) => one.name === name);
  const open = (one: string | null): void => setQuery("agent", one);
  const add = (): void => wishSet({ how: "add" });
  useKeys([
    { name: "next", run: () => select.step(1) }, { name: "previous", run: () => select.step(-1) },
    { name: "open", run: () => select.id !== null && open(select.id) },
    { name: "leave", run: () => open(null) },
    ...(may("admin") ? [{ name: "newAgent" as const, run: add }] : []),
  ]);
  const rows = (list: Agent[], none: string) => (list.length === 0
    ? <p class="none">{none}</p> : list.map((agent) => (
      <Row key={agent.name} agent={agent} selected={agent.name === select.id}
        open={() => open(agent.name)} />
    )));
  return (
    <div class={opened === undefined ? "run-page agents" : "run-page agents inspected"}>
      <div class="page">
        <div class="head">
          <h1>{words.title}</h1>
          {may("admin") ? <span class="end"><button onClick={add}>
            {words.add}<Hint of="newAgent" /></button></span> : null}
        </div>
        <Trouble problem={problem} retry={() => void again()} />
        {value === null ? problem === null ? <Loading /> : null : (
          <div onFocusIn={select.onFocusIn}>
            <Section title={words.programs} count={programs.length} about={words.programsAbout}>
              {rows(programs, words.noPrograms)}
            </Section>
            <Section title={words.models} count={models.length} about={words.modelsAbout}>
              {rows(models, words.noModels)}
            </Section>
            <Connections />
          </div>
        )}
      </div>
      {opened === undefined ? null : (
        <Detail key={opened.name} agent={opened} close={() => open(null)}
          back={() => select.to(opened.name)} ask={wishSet} gone={() => {
            open(null);
            void again();
          }} />
      )}
      {wish === null ? null : (
        <AgentForm wish={wish} close={() => wishSet(null)} late={() => void again()}
          done={(made) => {
            void again();
            open(made);
          }} />
      )}
    </div>
  );
}
