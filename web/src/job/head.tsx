/** What a job is: command, state, times, and what can be done with it. */
import { useState } from "preact/hooks";

import type { Problem as Given } from "../api/api.ts";
import { again, stop } from "../jobs/actions.ts";
import { isLive, lasted, nameOf } from "../jobs/rules.ts";
import { words as listWords } from "../jobs/words.ts";
import { Brand } from "../parts/brand.tsx";
import { whyOf } from "../parts/cause.ts";
import { State } from "../parts/state.tsx";
import { elapsed, when } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { may } from "../state/me.ts";
import { commandOf, useStarter, type Job } from "./run.ts";
import { words } from "./words.ts";

function Facts({ job }: { job: Job }) {
  const starter = useStarter(job.parent);
  const ran = lasted(job, now.value);
  const { cwd, sandbox, notify = [] } = job.spec;
  const memory = job.result?.memory_kb ?? null;
  const facts: [string, preact.ComponentChildren][] = [
    [words.folder, cwd === undefined ? null : <span class="mono" dir="auto">{visible(cwd)}</span>],
    [words.exit, job.exit_code ?? null],
    [words.made, when(job.made_ms, now.value)],
    [words.ended, job.ended_ms == null ? null : when(job.ended_ms, now.value)],
    [words.lasted, ran === null ? null : elapsed(ran)],
    [words.memory, memory === null ? null : `${Math.ceil(memory / 1024)} MB`],
    [words.sandbox, sandbox === "on" ? words.on : null],
    [words.by, starter === null ? null : starter.session === null
      ? <span class="mono">{starter.run}</span>
      : <a href={`/s/${starter.session}`}>{words.session}</a>],
    [words.retryOf, job.retry_of == null ? null
      : <a class="mono" href={`/j/${job.retry_of}`}>{job.retry_of}</a>],
    [words.notify, notify.length === 0 ? null : (
      <span class="mono" dir="auto">
        {notify.map(({ webhook, session }) => visible(webhook ?? session ?? "")).join(" ")}
      </span>
    )],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (value === null ? null : (
        <div key={name}><dt>{name}</dt><dd>{value}</dd></div>
      )))}
    </dl>
  );
}

export function Head({ job }: { job: Job }) {
  const { go } = useSeat();
  const [refused, refusedSet] = useState<Given | null>(null);
  const live = isLive(job.state), allowed = may("run");
  const command = visible(commandOf(job.spec)), name = visible(nameOf({ ...job, command }));
  const end = async (): Promise<void> => {
    const answer = await stop(job.id);
    refusedSet(answer.ok ? null : answer.problem);
  };
  const begin = async (): Promise<void> => {
    const answer = await again(job.id);
    refusedSet(answer.ok ? null : answer.problem);
    if (answer.ok) go(`/j/${answer.value.id}`);
  };
  useKeys(!allowed ? [] : live
    ? [{ name: "stopJob", run: () => void end() }]
    : [{ name: "again", run: () => void begin() }]);
  const about = job.gate !== null ? listWords.gates[job.gate] ?? job.gate : whyOf(job);
  return (
    <header>
      <p class="small"><a href="/jobs">{words.back}</a></p>
      <div class="title">
        <Brand id={job.id} />
        <h1 class="mono clip" dir="auto">{name}</h1>
        <State state={job.state} about={about} />
        {!allowed ? null : live
          ? <button class="end" onClick={() => void end()}>{words.stop}<Hint of="stopJob" />
          </button>
          : <button class="end" onClick={() => void begin()}>{words.again}<Hint of="again" />
          </button>}
      </div>
      {command === name || command === "" ? null : (
        <details class="command">
          <summary><code dir="auto">{command.slice(0, 300)}</code></summary>
          <pre dir="auto">{command}</pre>
        </details>
      )}
      <Facts job={job} />
      {job.note == null ? null : <p class="muted" dir="auto">{visible(job.note)}</p>}
      <Trouble problem={refused} />
    </header>
  );
}
