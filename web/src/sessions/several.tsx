/** What is done with the chosen sessions, and what was done, with Undo: below the list, where
 *  nothing that comes or goes moves a row. */
import type { Session } from "../api/types.ts";
import { Trouble } from "../parts/trouble.tsx";
import { useItems } from "../state/read.ts";
import { changeAll, done, takeBack, type Change } from "./change.ts";
import { words } from "./words.ts";

export const archive = (rows: readonly Session[], archived: boolean): Promise<void> =>
  changeAll(rows, { archived }, archived ? words.didArchive : words.didRestore);
export const remove = (rows: readonly Session[], deleted: boolean): Promise<void> =>
  changeAll(rows, { deleted }, deleted ? words.didDelete : words.didRestore);

function Acts({ rows, shelf, end }: { rows: readonly Session[]; shelf: string; end(): void }) {
  const projects = useItems<{ name: string }>("/projects?limit=200").map(({ name }) => name);
  const act = (what: Promise<void>): void => {
    end();
    void what;
  };
  const move = (change: Change & { project: string }): void =>
    act(changeAll(rows, change, (count) => words.didMove(count, change.project)));
  return (
    <>
      <span>{words.chosen(rows.length)}</span>
      {shelf === "" ? (
        <button onClick={() => act(archive(rows, true))}>{words.archive}</button>
      ) : (
        <button onClick={() => act(shelf === "deleted" ? remove(rows, false)
          : archive(rows, false))}>{words.restore}</button>
      )}
      {shelf === "deleted" ? null : (
        <button onClick={() => act(remove(rows, true))}>{words.delete}</button>
      )}
      <select aria-label={words.moveTo} value=""
        onChange={({ currentTarget: { value: project } }) => project && move({ project })}>
        <option value="">{words.moveTo}</option>
        {projects.map((name) => <option key={name} value={name}>{name}</option>)}
      </select>
      <button class="quiet" onClick={end}>{words.unchoose}</button>
    </>
  );
}

interface SeveralProps { rows: readonly Session[]; shelf: string; end(): void }

export function Several({ rows, shelf, end }: SeveralProps) {
  const last = done.value;
  if (rows.length === 0 && last === null) return null;
  return (
    <div class="several buttons" role="status">
      {rows.length > 0 ? <Acts rows={rows} shelf={shelf} end={end} /> : last === null ? null : (
        <>
          {last.text === "" ? null : <span>{last.text}</span>}
          {last.back.size === 0 ? null : (
            <button onClick={() => void takeBack(last)}>{words.undo}</button>
          )}
          <button class="quiet" onClick={() => (done.value = null)}>{words.putAway}</button>
          <Trouble problem={last.problem} />
        </>
      )}
    </div>
  );
}
