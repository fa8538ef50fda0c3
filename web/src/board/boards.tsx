/** Which boards there are: one of each project. */
import { PROJECT_NAME_MAX } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import { useSelection } from "../parts/select.ts";
import { ago } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { useProjects } from "../state/projects.ts";
import type { Project } from "./follow.ts";
import { words } from "./words.ts";

const placeOf = (name: string): string => `/board/${encodeURIComponent(name)}`;

export function Boards() {
  const { go } = useSeat();
  const { value, problem, again, more } = useProjects<Project>();
  const projects = value?.items ?? null, next = value?.next ?? null;
  const select = useSelection((projects ?? []).map(({ name }) => name));
  useKeys([
    { name: "next", run: () => select.step(1) },
    { name: "previous", run: () => select.step(-1) },
    { name: "open", run: () => select.id !== null && go(placeOf(select.id)) },
  ]);
  const openNamed = (event: SubmitEvent): void => {
    event.preventDefault();
    const name = new FormData(event.currentTarget as HTMLFormElement).get("name");
    go(placeOf(String(name).trim()));
  };
  return (
    <div class="page boards">
      <div class="head"><h1>{words.boards}</h1></div>
      <p class="muted boards-about">{words.boardsAbout}</p>
      <Trouble problem={problem} retry={() => void again()} />
      {projects === null && problem === null ? <Loading /> : null}
      {projects?.length === 0 ? <p class="none">{words.noBoards}</p> : null}
      <div onFocusIn={select.onFocusIn}>
        {(projects ?? []).map(({ name, root, board, changed_ms }) => (
          <a key={name} class={`row board-row${select.id === name ? " sel" : ""}`} data-row={name}
            href={placeOf(name)}>
            <span class="clip mono name" dir="auto">{visible(name)}</span>
            <span class="clip muted" dir="auto">
              {[root, ...(board?.agents ?? []).map((agent) => agent.name)]
                .filter((one) => one !== null).map((one) => visible(one)).join(" · ")}
              {board?.hold ? <span class="tone-wait"> {words.heldBoard}</span> : null}
            </span>
            <span class="muted num">{words.projectChanged(ago(now.value - changed_ms))}</span>
          </a>
        ))}
      </div>
      {next === null ? null : (
        <p><button class="quiet" onClick={more}>{words.more}</button></p>
      )}
      <form class="inline boards-open" onSubmit={openNamed}>
        <label>{words.projectName}{" "}
          <input name="name" required autocomplete="off" spellcheck={false} dir="auto"
            pattern="[a-z0-9][a-z0-9_.\-]*" maxLength={PROJECT_NAME_MAX} />
        </label>{" "}
        <button>{words.openBoard}</button>
      </form>
    </div>
  );
}
