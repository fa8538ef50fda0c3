/** The script as it ran, with marks at the lines that called agents. It is text and nothing else.
 */
import { useMemo, useState } from "preact/hooks";

import type { ScriptFile } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import { Rows } from "../parts/rows.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible, beginning } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { useRead } from "../state/read.ts";
import type { Agent } from "./fold.ts";
import { inspect, markOf, nameOf, useOpened } from "./view.ts";
import { words } from "./words.ts";

const LINE_PX = 18, LINE_MAX = 2_000, MARKS_MAX = 3;

function Marks({ agents }: { agents: readonly Agent[] }) {
  const seat = useSeat();
  return (
    <span class="line-marks">
      {agents.slice(0, MARKS_MAX).map((agent) => {
        const [shape, tone] = markOf(agent);
        return (
          <button key={agent.id} class={`bare tone-${tone}`} title={nameOf(agent)}
            aria-label={nameOf(agent)} onClick={() => inspect(seat, agent.id)}>{shape}</button>
        );
      })}
      {agents.length > MARKS_MAX ? <span class="muted" title={words.callsAt(agents.length)}>
        +{agents.length - MARKS_MAX}</span> : null}
    </span>
  );
}

export function ScriptView() {
  const { id, state } = useOpened();
  const [file, fileSet] = useState<string | null>(null);
  const query = file === null ? "" : `?file=${encodeURIComponent(file)}`;
  const { value: script, problem } = useRead<ScriptFile>(`/runs/${id}/script${query}`);
  const lines = useMemo(() => (script?.source ?? "").split("\n"), [script]);
  const path = file === null ? null : script?.file ?? null;
  const byLine = useMemo(() => {
    const found = new Map<number, Agent[]>();
    for (const agent of state.value.agents.values()) {
      if (agent.line === null || agent.file !== path) continue;
      found.set(agent.line, [...(found.get(agent.line) ?? []), agent]);
    }
    return found;
  }, [state.value, path]);
  if (problem !== null) {
    return problem.status === 404 ? <p class="run-none muted">{words.noScript}</p>
      : <div class="page"><Trouble problem={problem} /></div>;
  }
  if (script === null) return <Loading />;
  const others = script.scripts ?? [];
  return (
    <div class="run-script">
      {others.length === 0 && file === null ? null : (
        <div class="streams" role="group" aria-label={words.scripts}>
          <button class="quiet" aria-pressed={file === null} onClick={() => fileSet(null)}>
            {words.tabs.script}</button>
          {others.map((one) => (
            <button key={one.name} class="quiet" aria-pressed={file === one.name}
              onClick={() => fileSet(one.name)}><bdi>{visible(one.name)}</bdi></button>
          ))}
        </div>
      )}
      <Rows role="list" label={words.tabs.script} count={lines.length} height={LINE_PX}
        draw={(at) => (
          <div key={at} role="listitem" class="source-line mono" data-line={at + 1}>
            <Marks agents={byLine.get(at + 1) ?? []} />
            <span class="line-number">{at + 1}</span>
            <code dir="ltr">{visible(beginning(lines[at] ?? "", LINE_MAX))}</code>
          </div>
        )} />
    </div>
  );
}
