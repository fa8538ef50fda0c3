/** What a user asks when something is wrong: checks, process, hold, damage, hosts, log, backup. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import type { Version } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import { ago } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed } from "../router/router.ts";
import { otherBuild } from "../shell/build.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { may, me } from "../state/me.ts";
import { BackupPart } from "./backup.tsx";
import { DamageSearch } from "./damage.tsx";
import { Findings } from "./findings.tsx";
import { Hold } from "./hold.tsx";
import { Hosts } from "./hosts.tsx";
import { Log } from "./log.tsx";
import { useDaemon } from "./reading.ts";
import { findingsOf } from "./rules.ts";
import { words } from "./words.ts";

function Part({ title, children }: { title: string; children: ComponentChildren }) {
  const named = useNamed();
  return (
    <section aria-label={named(title)}>
      <div class="head"><h2>{title}</h2></div>
      {children}
    </section>
  );
}

function Process({ version }: { version: Version }) {
  const { started_ms, on_demand, owner, scopes } = version;
  const rows: [name: string, value: string | number][] = [
    [words.version, version.version],
    [words.database, words.databases[version.database] ?? version.database],
    [words.pid, version.pid], [words.started, ago(now.value - started_ms)],
    [words.startedBy, on_demand ?? words.service],
    [words.jobsMax, version.jobs_max], [words.connectionsMax, version.connections_max],
    [words.signedIn, words.scopes(owner, scopes.join(", "))],
  ];
  return (
    <dl class="process">
      {rows.map(([name, value]) => (
        <div key={name}><dt>{name}</dt><dd dir="auto">{visible(String(value))}</dd></div>
      ))}
    </dl>
  );
}

export function System() {
  const [turn, turnSet] = useState(0);
  const state = useDaemon(turn);
  const again = (): void => turnSet((count) => count + 1);
  useKeys([{ name: "lookAgain", run: again }]);
  if (me.value === null) return <Loading />;
  const version = state?.version ?? null, isAdmin = may("admin");
  return (
    <div class="page system">
      <div class="head">
        <h1>{words.title}</h1>
        <button class="quiet end" onClick={again}>{words.again}<Hint of="lookAgain" /></button>
      </div>
      <Trouble problem={state?.problem ?? null} retry={again} />
      {state === null ? <Loading /> : (
        <Part title={words.findings}>
          <Findings findings={findingsOf({ ...state, otherBuild: otherBuild.value }, now.value)} />
        </Part>
      )}
      {version === null ? null : (
        <Part title={words.process}><Process version={version} /></Part>
      )}
      {isAdmin ? <Part title={words.hold}><Hold turn={turn} /></Part>
        : <p class="muted only">{words.readOnly}</p>}
      {isAdmin && version !== null ? (
        <Part title={words.damage}><DamageSearch database={version.database} /></Part>
      ) : null}
      <Part title={words.hosts}><Hosts turn={turn} /></Part>
      {isAdmin ? <Part title={words.log}><Log turn={turn} /></Part> : null}
      {isAdmin ? <Part title={words.backup}><BackupPart turn={turn} /></Part> : null}
    </div>
  );
}
