/** Working trees of agents: whose they are, what each holds, and what becomes of it. The address
 *  has the filters. */
import { useState } from "preact/hooks";

import type { Tree } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import { Search } from "../parts/search.tsx";
import { useSelection } from "../parts/select.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { useKeys } from "../shell/keys.ts";
import { may } from "../state/me.ts";
import { useProjects } from "../state/projects.ts";
import { Apply } from "./apply.tsx";
import { isFiltered, useTrees, type TreeFilter } from "./reading.ts";
import { Prune, Remove } from "./remove.tsx";
import { isApplied, Row } from "./row.tsx";
import { words } from "./words.ts";

type Asked = { kind: "apply" | "remove"; tree: Tree } | { kind: "prune" } | null;

function Projects({ project }: { project: string | null }) {
  const { setQuery } = useSeat(), { value } = useProjects();
  const names = (value?.items ?? []).map(({ name }) => name);
  const all = project === null || names.includes(project) ? names : [project, ...names];
  return (
    <label>
      <span class="hidden">{words.project}</span>
      <select value={project ?? ""}
        onChange={({ currentTarget: { value: to } }) => setQuery("project", to || null)}>
        <option value="">{words.all}</option>
        {all.map((name) => <option key={name} value={name}>{visible(name)}</option>)}
      </select>
    </label>
  );
}

function Empty({ filtered }: { filtered: boolean }) {
  const { replace } = useSeat();
  return (
    <div class="empty">
      <p>{filtered ? words.none : words.empty}</p>
      {filtered ? <p><button onClick={() => replace("/trees")}>{words.clear}</button></p> : (
        <><p class="muted">{words.emptyNext}</p><pre>{words.emptyCommand}</pre></>
      )}
    </div>
  );
}

export function Trees() {
  const { query } = useSeat();
  const filter: TreeFilter = {
    q: query.value.get("q") ?? "", project: query.value.get("project") || null,
  };
  const { value, problem, again } = useTrees(filter);
  const rows = value?.items ?? [], select = useSelection(rows.map(({ id }) => id));
  const [open, openSet] = useState<string | null>(null);
  const [asked, askedSet] = useState<Asked>(null);
  const [said, saidSet] = useState("");
  const turn = (id: string): void => openSet(open === id ? null : id);
  const chosen = rows.find(({ id }) => id === select.id);
  const ask = (kind: "apply" | "remove"): void =>
    void (chosen !== undefined && may("approve") && !(kind === "apply" && isApplied(chosen)) &&
      askedSet({ kind, tree: chosen }));
  useKeys([
    { name: "next", run: () => select.step(1) },
    { name: "previous", run: () => select.step(-1) },
    { name: "open", run: () => select.id !== null && turn(select.id) },
    { name: "leave", run: () => openSet(null) },
    { name: "applyTree", run: () => ask("apply") },
    { name: "removeTree", run: () => ask("remove") },
  ]);
  const end = { onClose: () => askedSet(null), done: (text: string) => {
    saidSet(text);
    void again();
  } };
  return (
    <div class="page trees">
      <div class="head">
        <h1>{words.title}</h1>
        <div class="filters">
          <Search q={filter.q} label={words.filter} about={words.filterAbout} />
          <Projects project={filter.project} />
        </div>
        {may("approve") && rows.length > 0 ? (
          <button class="quiet end" onClick={() => askedSet({ kind: "prune" })}>
            {words.prune}</button>
        ) : null}
      </div>
      <p role="status" class={said === "" ? "hidden" : "muted"}>{said}</p>
      <Trouble problem={problem} retry={() => void again()} />
      {value === null && problem === null ? <Loading /> : null}
      {value !== null && rows.length === 0 ? <Empty filtered={isFiltered(filter)} /> : null}
      <section aria-label={words.list} onFocusIn={select.onFocusIn}>
        {rows.map((tree) => (
          <Row key={tree.id} tree={tree} selected={tree.id === select.id} open={tree.id === open}
            turn={() => turn(tree.id)} apply={() => askedSet({ kind: "apply", tree })}
            remove={() => askedSet({ kind: "remove", tree })} />
        ))}
      </section>
      {asked === null ? null : asked.kind === "prune"
        ? <Prune project={filter.project} {...end} />
        : asked.kind === "apply" ? <Apply tree={asked.tree} {...end} />
          : <Remove tree={asked.tree} {...end} />}
    </div>
  );
}
