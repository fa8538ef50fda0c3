/** Hosts that share the database; one that is gone can be removed. */
import { useState } from "preact/hooks";

import { remove, type Problem } from "../api/api.ts";
import type { Host, Page } from "../api/types.ts";
import { Sure } from "../parts/sure.tsx";
import { ago } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { may } from "../state/me.ts";
import { useGet } from "./reading.ts";
import { words } from "./words.ts";

interface RowProps { host: Host; forced: boolean; gone(force: boolean): void }

function Row({ host, forced, gone }: RowProps) {
  const { place, name, role, version, here, runs, seen_ms } = host;
  const about = [here ? words.here : words.roles[role] ?? role, version, words.hostJobs(runs),
    here ? null : words.seen(ago(now.value - seen_ms))];
  const title = visible(name || place);
  return (
    <li class="row host">
      <span class="what">
        <b class="clip" dir="auto">{title}</b>
        <span class="muted small clip mono" dir="auto">{visible(place)}</span>
      </span>
      <span class="muted" dir="auto">{about.filter((one) => one !== null).join(" · ")}</span>
      {here || !may("admin") ? null : forced ? (
        <Sure key="force" name={words.force} label={`${words.force}: ${title}`}
          sure={words.forceSure} onSure={() => gone(true)} />
      ) : (
        <Sure key="remove" name={words.remove} label={words.removeOf(title)}
          sure={words.removeSure} onSure={() => gone(false)} />
      )}
    </li>
  );
}

export function Hosts({ turn }: { turn: number }) {
  const [refused, refusedSet] = useState<{ place: string; problem: Problem } | null>(null);
  const [said, saidSet] = useState("");
  const { value, problem, again } = useGet<Page<Host>>("/hosts?limit=200", turn);
  const gone = async (host: Host, force: boolean): Promise<void> => {
    const query = new URLSearchParams({ host: host.place, ...(force && { force: "1" }) });
    const answer = await remove<{ runs: number }>(`/hosts?${query}`);
    refusedSet(answer.ok ? null : { place: host.place, problem: answer.problem });
    if (!answer.ok) return;
    saidSet(words.removed(visible(host.name || host.place), answer.value.runs));
    await again();
  };
  return (
    <>
      <Trouble problem={refused?.problem ?? problem} />
      {value === null ? null : value.items.length === 0 ? <p class="none">{words.noHosts}</p> : (
        <ul class="plain">
          {value.items.map((host) => (
            <Row key={host.place} host={host} gone={(force) => void gone(host, force)}
              forced={refused?.place === host.place && refused.problem.code === "host_alive"} />
          ))}
        </ul>
      )}
      <p role="status">{said}</p>
    </>
  );
}
