/** The model in force, and the connections. */
import { useEffect, useState } from "preact/hooks";

import { post, remove, type Problem } from "../api/api.ts";
import { Trouble } from "../parts/trouble.tsx";
import { Section } from "../parts/section.tsx";
import { Sure } from "../parts/sure.tsx";
import { visible } from "../parts/visible.ts";
import { may } from "../state/me.ts";
import { connectionsRead, type Connection, type Tested } from "../state/models.ts";
import { settings } from "../state/system.ts";
import { words } from "./words.ts";

function InForce() {
  const now = settings.value;
  if (now === null) return null;
  if (now.model === null) return <p>{words.noModel}</p>;
  return (
    <p>{words.uses} <code>{now.model}</code>
      <span class="muted"> · {words.from[now.model_from]}</span></p>
  );
}

interface RowProps { connection: Connection; onGone(): void; onProblem(problem: Problem): void }

function Row({ connection, onGone, onProblem }: RowProps) {
  const { name, kind, base_url, key_from, origin, cause } = connection;
  const [said, saidSet] = useState<string | null>(null);
  const path = `/providers/${encodeURIComponent(name)}`;
  const test = async (): Promise<void> => {
    saidSet(words.testing);
    const answer = await post<Tested>(`${path}/test`, {});
    saidSet(null);
    if (!answer.ok) return onProblem(answer.problem);
    const { ok, latency_ms, cause: why, detail } = answer.value;
    saidSet(ok ? `✓ ${words.works(latency_ms ?? 0)}` : `✕ ${why ?? ""} ${detail ?? ""}`);
  };
  const away = async (): Promise<void> => {
    const answer = await remove(path);
    if (answer.ok) onGone();
    else onProblem(answer.problem);
  };
  const about = [kind, base_url, key_from === null ? words.noKey : words.keyFrom(key_from),
    origin === "set" ? null : origin, cause === null ? null : words.waits(cause)];
  return (
    <div class="row described">
      <span class="mono clip" dir="auto">{name}</span>
      <span class="what">
        <span class="muted clip" dir="auto">{about.filter((one) => one !== null).join(" · ")}</span>
        {said === null ? null : (
          <span class="small wrap" role="status" dir="auto">{visible(said)}</span>
        )}
      </span>
      <span>
        {may("run") ? (
          <button class="quiet" aria-label={words.testOf(name)} onClick={() => void test()}>
            {words.test}
          </button>
        ) : null}
        {may("admin") && origin === "set" ? (
          <Sure name={words.remove} label={words.removeOf(name)} sure={words.sureRemove}
            onSure={() => void away()} />
        ) : null}
      </span>
    </div>
  );
}

export function Models() {
  const [connections, connectionsSet] = useState<Connection[] | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const read = async (): Promise<void> => {
    problemSet(null);
    const answer = await connectionsRead();
    if (answer.ok) connectionsSet(answer.value.items);
    else problemSet(answer.problem);
  };
  // A connection that was set elsewhere may have changed what is in force.
  useEffect(() => void read(), [settings.value]);
  return (
    <>
      <InForce />
      <Trouble problem={problem} retry={() => void read()} />
      {connections === null ? null : (
        <Section title={words.connections} count={connections.length}
          action={may("admin") ? <a href="/welcome">{words.connectModel}</a> : null}>
          {connections.map((one) => (
            <Row key={one.name} connection={one} onGone={() => void read()}
              onProblem={problemSet} />
          ))}
        </Section>
      )}
    </>
  );
}
