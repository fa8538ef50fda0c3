/** The checks: what is wrong first, with what to do. What is fine is one line that opens. */
import { Copy } from "../parts/copy.tsx";
import { visible } from "../parts/visible.ts";
import type { Finding, Verdict } from "./rules.ts";
import { words } from "./words.ts";

const SHAPES: Record<Verdict, [shape: string, tone: string]> = {
  ok: ["✓", "ok"], warn: ["◐", "degraded"], fail: ["✕", "fail"],
};

export function VerdictMark({ verdict }: { verdict: Verdict }) {
  const [shape, tone] = SHAPES[verdict];
  return (
    <span class={`state tone-${tone}`}>
      <span class="shape" aria-hidden="true">{shape}</span>{words.verdicts[verdict]}
    </span>
  );
}

export function Command({ text }: { text: string }) {
  return <p class="command" dir="auto"><code>{visible(text)}</code> <Copy text={text} /></p>;
}

function Row({ finding: { verdict, what, text, todo, command, run } }: { finding: Finding }) {
  return (
    <li class="row finding">
      <VerdictMark verdict={verdict} />
      <b>{what}</b>
      <div class="said">
        <p dir="auto">{visible(text)}</p>
        {todo === undefined ? null : <p class="muted">{todo}</p>}
        {command === undefined ? null : <Command text={command} />}
        {run === undefined ? null : <p><a class="mono" href={`/r/${run}`}>{run}</a></p>}
      </div>
    </li>
  );
}

export function Findings({ findings }: { findings: readonly Finding[] }) {
  const wrong = findings.filter(({ verdict }) => verdict !== "ok");
  const fine = findings.filter(({ verdict }) => verdict === "ok");
  const rows = (list: readonly Finding[]) =>
    <ul class="plain">{list.map((one, at) => <Row key={at} finding={one} />)}</ul>;
  return (
    <>
      {wrong.length === 0 ? null : rows(wrong)}
      {fine.length === 0 ? null : (
        <details class="fine">
          <summary>
            <span class="tone-ok" aria-hidden="true">✓ </span>{words.fine(fine.length)}
          </summary>
          {rows(fine)}
        </details>
      )}
      <p class="muted">{words.doctor}</p>
      <Command text={words.doctorCommand} />
    </>
  );
}
