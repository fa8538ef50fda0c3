/** Keys of pages and tokens: made, and revoked. The secret of a new one is shown once. */
import { useState } from "preact/hooks";

import { post, remove, type Problem } from "../api/api.ts";
import type { Page, Token } from "../api/types.ts";
import { Copy } from "../parts/copy.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { Section } from "../parts/section.tsx";
import { Sure } from "../parts/sure.tsx";
import { ago } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { useRead } from "../state/read.ts";
import { TOKEN } from "./fields.ts";
import { RecordForm } from "./record.tsx";
import { words } from "./words.ts";

interface Made { token: string; label: string }

export function Keys() {
  const { value, problem, again } = useRead<Page<Token>>("/tokens?limit=200");
  const tokens = value?.items ?? null;
  const [refused, refusedSet] = useState<Problem | null>(null);
  const [asks, asksSet] = useState(false);
  const [made, madeSet] = useState<Made | null>(null);
  const revoke = async (id: string): Promise<void> => {
    const answer = await remove(`/tokens/${id}`);
    refusedSet(answer.ok ? null : answer.problem);
    if (answer.ok) await again();
  };
  return (
    <>
      <p class="muted">{words.keysAbout}</p>
      <Trouble problem={refused ?? problem} retry={() => void again()} />
      {made === null ? null : (
        <section class="secret" role="status" aria-label={words.madeOf(made.label)}>
          <p>{words.madeAbout}</p>
          <p><code class="wrap">{made.token}</code> <Copy text={made.token} /></p>
          <p><button class="quiet" onClick={() => madeSet(null)}>{words.hide}</button></p>
        </section>
      )}
      {tokens === null ? null : (
        <Section title={words.pages.keys} count={tokens.length}
          action={<button class="quiet" onClick={() => asksSet(true)}>{words.addToken}</button>}>
          {tokens.length === 0 ? <p class="none">{words.noKeys}</p> : null}
          {tokens.map(({ id, owner, label, scopes, kind, origin, used_ms }) => {
            const used = used_ms === null ? words.neverUsed
              : words.used(ago(now.value - used_ms));
            const about = [kind === "page" ? words.kindPage : words.kindToken, owner,
              scopes.join(" "), origin, used];
            return (
              <div key={id} class="row described">
                <span class="clip" dir="auto">{visible(label || id)}</span>
                <span class="muted clip" dir="auto">
                  {about.filter((one) => one !== null).join(" · ")}
                </span>
                <span>
                  <Sure name={words.revoke} label={words.revokeOf(label || id)}
                    sure={words.sureRevoke} onSure={() => void revoke(id)} />
                </span>
              </div>
            );
          })}
        </Section>
      )}
      {asks ? (
        <RecordForm<Made> title={words.addToken} send={words.addToken} fields={TOKEN}
          about={words.token} row={null} close={() => asksSet(false)}
          submit={(body) => post("/tokens", body)} done={(now) => {
            madeSet(now);
            void again();
          }} />
      ) : null}
    </>
  );
}
