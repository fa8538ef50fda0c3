/** A job: its head, its attempts, and its terminal or its log. */
import { useRef } from "preact/hooks";

import { isLive } from "../jobs/rules.ts";
import { Loading } from "../parts/loading.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { useLastLines } from "../parts/why.tsx";
import { useSeat } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import { useKeys } from "../shell/keys.ts";
import type { LogStream } from "../stream/index.ts";
import { Terminal } from "../terminal/terminal.tsx";
import { Head } from "./head.tsx";
import { Log, Move } from "./log.tsx";
import { hasTerminal, useJob, type Job as Known } from "./run.ts";
import { words } from "./words.ts";

const numberOf = (text: string | null, max: number): number | null => {
  const value = Number(text);
  return text !== null && Number.isInteger(value) && value >= 1 && value <= max ? value : null;
};

const SOON_MS = 3_000;

function Attempts({ attempt, all, choose }: {
  attempt: number; all: number; choose: (attempt: number) => void;
}) {
  return (
    <div class="attempts">
      <span class="muted">{words.attempt} {words.attemptOf(attempt, all)}</span>
      <Move of="earlier" about={words.previousAttempt} off={attempt <= 1}
        move={() => choose(attempt - 1)} />
      <Move of="later" about={words.nextAttempt} off={attempt >= all}
        move={() => choose(attempt + 1)} />
    </div>
  );
}

function Streams({ stream }: { stream: LogStream }) {
  const { setQuery } = useSeat();
  return (
    <div class="streams" role="group" aria-label={words.stream}>
      {(["out", "err"] as const).map((one) => (
        <button key={one} class="quiet" aria-pressed={one === stream}
          onClick={() => {
            setQuery("line", null);
            setQuery("stream", one);
          }}>{words.streams[one]}</button>
      ))}
    </div>
  );
}

function Output({ job }: { job: Known }) {
  const { query, setQuery } = useSeat();
  const all = Math.max(1, job.attempt);
  const attempt = numberOf(query.value.get("attempt"), all) ?? all;
  const named = query.value.get("stream");
  // One that had failed opens on its errors, where it wrote any. What fails before its eyes turns
  // to them where nobody can have read far.
  const isFailed = job.state === "failed" && !hasTerminal(job), had = useRef(isFailed).current;
  const isSoon = (job.ended_ms ?? 0) - (job.started_ms ?? 0) < SOON_MS;
  const last = useLastLines(named === null && isFailed && (had || isSoon) ? job.id : null);
  const stream: LogStream = hasTerminal(job) ? "pty"
    : named === "err" || named === "out" ? named : last?.stream ?? "out";
  const choose = (number: number): void => {
    if (number < 1 || number > all) return;
    setQuery("line", null);
    setQuery("attempt", number === all ? null : String(number));
  };
  useKeys([
    { name: "earlier", run: () => choose(attempt - 1) },
    { name: "later", run: () => choose(attempt + 1) },
  ]);
  const place = { run: job.id, attempt, stream };
  const key = `${job.id} ${attempt} ${stream}`;
  return (
    <>
      <div class="which">
        {stream === "pty" ? null : <Streams stream={stream} />}
        {all === 1 ? null : <Attempts attempt={attempt} all={all} choose={choose} />}
      </div>
      {stream === "pty" ? (
        <Terminal key={key} place={place} live={isLive(job.state) && attempt === all}
          waits={job.state === "queued"} />
      ) : (
        <Log key={key} place={place} waits={job.state === "queued"}
          line={numberOf(query.value.get("line"), Number.MAX_SAFE_INTEGER)} />
      )}
    </>
  );
}

export function Job({ id = "" }: Params) {
  const { value: job, problem, again } = useJob(id);
  if (job === null) {
    return problem === null ? <Loading />
      : <div class="page"><Trouble problem={problem} retry={again} /></div>;
  }
  return (
    <div class="page job-page">
      <Head job={job} />
      <Output job={job} />
    </div>
  );
}
