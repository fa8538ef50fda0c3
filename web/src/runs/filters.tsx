/** What is shown; each choice replaces the address. */
import { Search } from "../parts/search.tsx";
import { visible } from "../parts/visible.ts";
import { useNamed, useSeat } from "../router/router.ts";
import { useItems } from "../state/read.ts";
import { KINDS, SINCE, STATES, type RunsFilter } from "./rules.ts";
import { words } from "./words.ts";

interface ChoiceProps {
  name: string; label: string; value: string; options: readonly string[];
  textOf(value: string): string;
}

function Choice({ name, label, value, options, textOf }: ChoiceProps) {
  const { setQuery } = useSeat();
  const all = ["", ...options, ...(options.includes(value) || value === "" ? [] : [value])];
  return (
    <select aria-label={label} value={value}
      onChange={(event) => setQuery(name, event.currentTarget.value || null)}>
      {all.map((one) => <option key={one} value={one}>{textOf(one)}</option>)}
    </select>
  );
}

export function Filters({ filter }: { filter: RunsFilter }) {
  const { setQuery } = useSeat(), named = useNamed();
  const projects = useItems<{ name: string }>("/projects?limit=200").map(({ name }) => name);
  const { kind, state, project, q, since, inside } = filter;
  return (
    <div class="filters" role="search" aria-label={named(words.filters)}>
      <Search q={q} label={words.filter} about={words.filterAbout} />
      <Choice name="kind" label={words.kind} value={kind} options={KINDS}
        textOf={(one) => words.kinds[one] ?? one} />
      <Choice name="state" label={words.state} value={state} options={Object.keys(STATES)}
        textOf={(one) => words.states[one] ?? one} />
      <Choice name="since" label={words.since} value={since} options={Object.keys(SINCE)}
        textOf={(one) => words.sinces[one] ?? words.sinceDay(one)} />
      {projects.length < 2 && project === "" ? null : (
        <Choice name="project" label={words.project} value={project} options={projects}
          textOf={(one) => (one === "" ? words.anyProject : visible(one))} />
      )}
      <label class="check">
        <input type="checkbox" checked={inside} disabled={kind === "agent"}
          onChange={(event) => setQuery("inside", event.currentTarget.checked ? "1" : null)} />
        {words.inside}
      </label>
    </div>
  );
}
