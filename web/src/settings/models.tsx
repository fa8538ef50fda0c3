/** The model in force, and the connections: added, changed, tested, reset, removed. */
import { useState } from "preact/hooks";

import { patch, post, remove, type Answer, type Problem } from "../api/api.ts";
import type { Connection, Page, Tested } from "../api/types.ts";
import { Trouble } from "../parts/trouble.tsx";
import { Section } from "../parts/section.tsx";
import { Sure } from "../parts/sure.tsx";
import { visible } from "../parts/visible.ts";
import { may } from "../state/me.ts";
import { connectionsRead } from "../state/models.ts";
import { useRead } from "../state/read.ts";
import { settings } from "../state/system.ts";
import { CONNECTION } from "./fields.ts";
import { RecordForm } from "./record.tsx";
import { words } from "./words.ts";

export function InForce() {
  const now = settings.value;
  if (now === null) return null;
  if (now.model === null) return <p>{words.noModel}</p>;
  return (
    <p>{words.uses} <code>{now.model}</code>
      <span class="muted"> · {words.from[now.model_from]}</span></p>
  );
}

/** Shape, colour and words. */
export function stateOf({ origin, cause, detail, resume_at_ms }: Connection):
[shape: string, tone: string, text: string] {
  const why = [cause, detail].filter((one) => one !== null).join(": ");
  if (cause !== null && resume_at_ms !== null) {
    return ["◆", "wait", words.waitsUntil(new Date(resume_at_ms).toLocaleTimeString(), why)];
  }
  if (cause !== null) return ["✕", "fail", words.refuses(why)];
  return origin === "set" ? ["✓", "ok", words.set] : ["○", "queued", words.found(origin)];
}

interface RowProps {
  connection: Connection; onChanged(): void; onEdit(): void; onProblem(problem: Problem): void;
}

function Row({ connection, onChanged, onEdit, onProblem }: RowProps) {
  const { name, kind, base_url, key_from, origin, cause, max_concurrent, window } = connection;
  const [said, saidSet] = useState<string | null>(null);
  const path = `/providers/${encodeURIComponent(name)}`;
  const test = async (): Promise<void> => {
    saidSet(words.testing);
    const answer = await post<Tested>(`${path}/test`, {});
    saidSet(null);
    if (!answer.ok) return onProblem(answer.problem);
    const { ok, latency_ms, cause: why, detail } = answer.value;
    saidSet(ok ? `✓ ${words.works(latency_ms ?? 0)}` : `✕ ${why ?? ""} ${detail ?? ""}`);
    onChanged();
  };
  const act = async (work: Promise<Answer<unknown>>): Promise<void> => {
    const answer = await work;
    if (answer.ok) onChanged();
    else onProblem(answer.problem);
  };
  const [shape, tone, text] = stateOf(connection);
  const about = [kind, base_url, key_from === null ? words.noKey : words.keyFrom(key_from),
    window === null ? null : words.windowOf(window),
    max_concurrent === null ? null : words.callsOf(max_concurrent)];
  return (
    <div class="row described" data-connection={name}>
      <span class="mono clip" dir="auto">{name}</span>
      <span class="what">
        <span class={`tone-${tone} small wrap`} dir="auto">
          <span aria-hidden="true">{shape}</span> {visible(text)}
        </span>
        <span class="muted wrap small" dir="auto">
          {visible(about.filter((one) => one !== null).join(" · "))}
        </span>
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
        {may("admin") && cause !== null ? (
          <button class="quiet" aria-label={words.endWaitOf(name)}
            onClick={() => void act(post(`${path}/reset`, {}))}>{words.endWait}</button>
        ) : null}
        {may("admin") && origin === "set" ? (
          <>
            <button class="quiet" aria-label={words.editOf(name)} onClick={onEdit}>
              {words.edit}
            </button>
            {connection.key_set ? (
              <Sure name={words.dropKey} label={words.dropKeyOf(name)} sure={words.sureDropKey}
                onSure={() => void act(patch(path, { key: null }))} />
            ) : null}
            <Sure name={words.remove} label={words.removeOf(name)} sure={words.sureRemove}
              onSure={() => void act(remove(path))} />
          </>
        ) : null}
      </span>
    </div>
  );
}

export function Models() {
  // A connection that was set elsewhere may have changed what is in force.
  const { value, problem, again } =
    useRead<Page<Connection>>("", { from: connectionsRead }, [settings.value]);
  const connections = value?.items ?? null;
  const [refused, refusedSet] = useState<Problem | null>(null);
  const onChanged = (): void => {
    refusedSet(null);
    void again();
  };
  const [edited, editedSet] = useState<Connection | "new" | null>(null);
  const row = edited === "new" ? null : edited;
  return (
    <>
      <InForce />
      <Trouble problem={refused ?? problem} retry={onChanged} />
      {connections === null ? null : (
        <Section title={words.connections} count={connections.length}
          action={may("admin") ? (
            <>
              <a href="/welcome">{words.connectModel}</a>{" "}
              <button class="quiet" onClick={() => editedSet("new")}>{words.add}</button>
            </>
          ) : null}>
          {connections.map((one) => (
            <Row key={one.name} connection={one} onChanged={onChanged}
              onEdit={() => editedSet(one)} onProblem={refusedSet} />
          ))}
          {connections.some(({ origin }) => origin !== "set") && may("admin")
            ? <p class="muted small">{words.foundAbout}</p> : null}
        </Section>
      )}
      {edited === null ? null : (
        <RecordForm<Connection> title={row === null ? words.add : words.editOf(row.name)}
          send={row === null ? words.add : words.save} fields={CONNECTION}
          about={words.connection} row={row} close={() => editedSet(null)}
          done={onChanged} submit={(body) => (row === null ? post("/providers", body)
            : patch(`/providers/${encodeURIComponent(row.name)}`, body))} />
      )}
    </>
  );
}
